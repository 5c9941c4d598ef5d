import { type AnnotationRow, none } from './annotation-row.js';

/** The annotations of ingress-nginx that nothing in a MeshService answers to, and where to turn instead. */

const EDGE = 'for the edge only: TLS, addresses and pages of clients outside the mesh';
const APP = 'let the app, or a proxy in front of it, do this';

export const NO_COUNTERPART: readonly AnnotationRow[] = [
  none(
    'app-root from-to-www-redirect relative-redirects',
    'for browsers only: callers in the mesh dial the path that they want',
  ),
  none(
    'ssl-redirect force-ssl-redirect ssl-passthrough ssl-ciphers ssl-prefer-server-ciphers preserve-trailing-slash use-port-in-redirects http2-push-preload',
    EDGE,
  ),
  none(
    'auth-tls-secret auth-tls-verify-depth auth-tls-verify-client auth-tls-error-page auth-tls-pass-certificate-to-upstream auth-tls-match-cn',
    EDGE,
  ),
  none(
    'auth-type auth-secret auth-secret-type auth-realm auth-url auth-signin auth-signin-redirect-param auth-method auth-always-set-cookie auth-request-redirect auth-response-headers auth-cache-key auth-cache-duration auth-keepalive auth-keepalive-share-vars auth-keepalive-requests auth-keepalive-timeout auth-proxy-set-headers auth-snippet enable-global-auth satisfy',
    `requests are not authenticated; ${APP}`,
  ),
  none(
    'whitelist-source-range allowlist-source-range denylist-source-range',
    'callers are pods; use a NetworkPolicy',
  ),
  none(
    'limit-connections limit-rps limit-rpm limit-burst-multiplier limit-rate limit-rate-after limit-whitelist limit-allowlist',
    `no limit for each client; ${APP}`,
  ),
  none(
    'enable-cors cors-allow-origin cors-allow-methods cors-allow-headers cors-expose-headers cors-allow-credentials cors-max-age',
    `for browsers only; ${APP}`,
  ),
  none(
    'custom-headers',
    'names a ConfigMap, which the import does not read: write its headers in routes[].headers.response.set',
  ),
  none('connection-proxy-header', 'the sidecar sets the headers of the connection itself'),
  none(
    'mirror-target mirror-request-body mirror-host',
    'goes to a URL; routes[].mirror goes to a version of the service',
  ),
  none(
    'proxy-body-size client-body-buffer-size proxy-request-buffering proxy-buffering proxy-buffers-number proxy-buffer-size proxy-busy-buffers-size proxy-max-temp-file-size proxy-http-version',
    'bodies stream through with back-pressure; nothing is buffered and no size is refused',
  ),
  none(
    'proxy-redirect-from proxy-redirect-to proxy-cookie-domain proxy-cookie-path',
    'responses go through as they are',
  ),
  none(
    'proxy-ssl-secret proxy-ssl-ciphers proxy-ssl-name proxy-ssl-protocols proxy-ssl-verify proxy-ssl-verify-depth proxy-ssl-server-name',
    "set spec.tls by hand: a Secret's files have to be beside the sidecar",
  ),
  none('configuration-snippet server-snippet stream-snippet', 'nginx directives mean nothing here'),
  none(
    'default-backend custom-http-errors disable-proxy-intercept-errors',
    "the app's own answers go through; what the sidecar itself answers is in docs/errors.md",
  ),
  none(
    'enable-access-log enable-rewrite-log enable-opentelemetry opentelemetry-trust-incoming-span opentelemetry-operation-name',
    'the sidecar counts and logs in its own way: /metrics on its admin port',
  ),
  none('enable-modsecurity enable-owasp-core-rules modsecurity-transaction-id modsecurity-snippet', EDGE),
  none('fastcgi-index fastcgi-params-configmap', 'no FastCGI'),
];
