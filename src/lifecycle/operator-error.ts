/** An error whose message is all that a person needs: something around the program is wrong, not the program. */
export class OperatorError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OperatorError';
  }
}
