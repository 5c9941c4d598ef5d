// The same, of sidecars with two workers.
process.env.ROOST_TEST_WORKERS = '2';
await import('../continuity.test.js');
