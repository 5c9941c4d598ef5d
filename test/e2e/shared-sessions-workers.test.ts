/** The same cases with two threads in each sidecar: whichever thread a request comes to knows its session. */

process.env.ROOST_TEST_WORKERS = '2';
await import('./shared-sessions.test.js');
