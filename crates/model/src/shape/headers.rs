//! Header fields of an API's own, apart from those of HTTP and of what stands in between.

/// True for a field that says something about the API. Its name is in lower case.
pub(super) fn is_custom(name: &[u8]) -> bool {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    (1..=64).contains(&name.len())
        && name.iter().all(is_token)
        && STANDARD.binary_search(&name).is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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

/// In order, for a binary search: RFC 9110, 9111, 6265, 6797, 7239 …, and what browsers, proxies and frameworks add.
const STANDARD: [&[u8]; 108] = [
    b"accept",
    b"accept-charset",
    b"accept-encoding",
    b"accept-language",
    b"accept-patch",
    b"accept-post",
    b"accept-ranges",
    b"age",
    b"allow",
    b"alt-svc",
    b"authentication-info",
    b"authorization",
    b"b3",
    b"baggage",
    b"cache-control",
    b"cdn-loop",
    b"clear-site-data",
    b"connection",
    b"content-disposition",
    b"content-encoding",
    b"content-language",
    b"content-length",
    b"content-location",
    b"content-md5",
    b"content-range",
    b"content-security-policy",
    b"content-security-policy-report-only",
    b"content-type",
    b"cookie",
    b"cross-origin-embedder-policy",
    b"cross-origin-opener-policy",
    b"cross-origin-resource-policy",
    b"date",
    b"dnt",
    b"early-data",
    b"etag",
    b"expect",
    b"expect-ct",
    b"expires",
    b"feature-policy",
    b"forwarded",
    b"from",
    b"front-end-https",
    b"grpc-accept-encoding",
    b"grpc-encoding",
    b"grpc-message",
    b"grpc-status",
    b"host",
    b"http2-settings",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"last-modified",
    b"link",
    b"location",
    b"max-forwards",
    b"nel",
    b"origin",
    b"origin-agent-cluster",
    b"p3p",
    b"permissions-policy",
    b"pragma",
    b"priority",
    b"range",
    b"referer",
    b"referrer-policy",
    b"refresh",
    b"report-to",
    b"reporting-endpoints",
    b"retry-after",
    b"save-data",
    b"server",
    b"server-timing",
    b"set-cookie",
    b"strict-transport-security",
    b"te",
    b"timing-allow-origin",
    b"trace",
    b"traceparent",
    b"tracestate",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"upgrade-insecure-requests",
    b"user-agent",
    b"vary",
    b"via",
    b"warning",
    b"www-authenticate",
    b"x-aspnet-version",
    b"x-aspnetmvc-version",
    b"x-cache",
    b"x-content-type-options",
    b"x-dns-prefetch-control",
    b"x-download-options",
    b"x-frame-options",
    b"x-permitted-cross-domain-policies",
    b"x-powered-by",
    b"x-requested-with",
    b"x-robots-tag",
    b"x-runtime",
    b"x-served-by",
    b"x-timer",
    b"x-ua-compatible",
    b"x-xss-protection",
];

#[cfg(test)]
mod tests {
    use super::{STANDARD, is_custom};

    #[test]
    fn the_list_is_in_order() {
        let mut sorted = STANDARD;
        sorted.sort_unstable();
        assert_eq!(sorted.map(String::from_utf8_lossy), STANDARD.map(String::from_utf8_lossy));
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
