/** Most that one read of a socket brings. */
export const READ_BUFFER_BYTES = 65_536;
