//! Header fields of an API's own, apart from those of HTTP and of what stands in between.

/// True for a field that says something about the API. Its name is in lower case.
pub(super) fn is_custom(name: &[u8]) -> bool {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    (1..=64).contains(&name.len())
        && name.iter().all(is_token)
        && !is_standard(name)
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_standard(name: &[u8]) -> bool {
    STANDARD.get(name.len()).is_some_and(|names| names.contains(&name))
}

/// Of the transport, proxies, browsers and tracing.
const PREFIXES: [&[u8]; 16] = [
    b"access-control-",
    b"cf-",
    b"fly-",
    b"proxy-",
    b"sec-",
    b"sentry-",
    b"x-amz-cf-",
    b"x-amzn-trace",
    b"x-b3-",
    b"x-cloud-trace",
    b"x-datadog-",
    b"x-envoy-",
    b"x-forwarded",
    b"x-original-",
    b"x-real-",
    b"x-vercel-",
];

/// By length, so that few are compared: RFC 9110, 9111, 6265, 6797, 7239 …, and what browsers, proxies and frameworks add.
const STANDARD: [&[&[u8]]; 36] = [
    &[],
    &[],
    &[b"b3", b"te"],
    &[b"age", b"dnt", b"nel", b"p3p", b"via"],
    &[b"date", b"etag", b"from", b"host", b"link", b"vary"],
    &[b"allow", b"range", b"trace"],
    &[b"accept", b"cookie", b"expect", b"origin", b"pragma", b"server"],
    &[
        b"alt-svc", b"baggage", b"expires", b"referer", b"refresh", b"trailer", b"upgrade", b"warning",
        b"x-cache", b"x-timer",
    ],
    &[b"cdn-loop", b"if-match", b"if-range", b"location", b"priority"],
    &[b"expect-ct", b"forwarded", b"report-to", b"save-data", b"x-runtime"],
    &[b"connection", b"early-data", b"keep-alive", b"set-cookie", b"tracestate", b"user-agent"],
    &[b"accept-post", b"content-md5", b"grpc-status", b"retry-after", b"traceparent", b"x-served-by"],
    &[b"accept-patch", b"content-type", b"grpc-message", b"max-forwards", b"x-powered-by", b"x-robots-tag"],
    &[
        b"accept-ranges",
        b"authorization",
        b"cache-control",
        b"content-range",
        b"grpc-encoding",
        b"if-none-match",
        b"last-modified",
        b"server-timing",
    ],
    &[b"accept-charset", b"content-length", b"feature-policy", b"http2-settings"],
    &[
        b"accept-encoding",
        b"accept-language",
        b"clear-site-data",
        b"front-end-https",
        b"referrer-policy",
        b"x-frame-options",
        b"x-ua-compatible",
    ],
    &[
        b"content-encoding",
        b"content-language",
        b"content-location",
        b"www-authenticate",
        b"x-aspnet-version",
        b"x-requested-with",
        b"x-xss-protection",
    ],
    &[b"if-modified-since", b"transfer-encoding"],
    &[b"permissions-policy", b"x-download-options"],
    &[
        b"authentication-info",
        b"content-disposition",
        b"if-unmodified-since",
        b"reporting-endpoints",
        b"timing-allow-origin",
        b"x-aspnetmvc-version",
    ],
    &[b"grpc-accept-encoding", b"origin-agent-cluster"],
    &[],
    &[b"x-content-type-options", b"x-dns-prefetch-control"],
    &[b"content-security-policy"],
    &[],
    &[b"strict-transport-security", b"upgrade-insecure-requests"],
    &[b"cross-origin-opener-policy"],
    &[],
    &[b"cross-origin-embedder-policy", b"cross-origin-resource-policy"],
    &[],
    &[],
    &[],
    &[],
    &[b"x-permitted-cross-domain-policies"],
    &[],
    &[b"content-security-policy-report-only"],
];

#[cfg(test)]
mod tests {
    use super::{STANDARD, is_custom};

    #[test]
    fn each_name_is_found_by_its_length() {
        for (length, names) in STANDARD.iter().enumerate() {
            assert!(names.iter().all(|name| name.len() == length && !is_custom(name)), "{length}");
        }
    }

    #[test]
    fn tells_an_api_from_http() {
        for name in ["x-request-id", "x-tenant", "idempotency-key", "x-ratelimit-remaining"] {
            assert!(is_custom(name.as_bytes()), "{name}");
        }
        for name in ["host", "x-forwarded-for", "sec-fetch-mode", "traceparent", "", "a b", ":path"] {
            assert!(!is_custom(name.as_bytes()), "{name}");
        }
    }
}
