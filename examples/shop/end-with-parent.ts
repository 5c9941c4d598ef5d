/**
 * Preloaded into every child of the demo: ends it when the demo is gone, even if that was killed outright and had
 * no time to say so. The channel between the two closes with either.
 */
if (process.connected) process.once('disconnect', () => process.exit(0));
else process.exit(0);
// A listener keeps the channel, and with it the process, alive; this one is not to.
process.channel?.unref();
