/** Simulated time from one step to the next. */
export const STEP_MS = 5000;
