use super::{Follower, of};
use overhear_exchange::{Body, GenAi, Headers, Http, HttpVersion, Method, Scheme, Timestamp};
use std::time::Duration;

fn http(host: &str, path: &str) -> Http {
    Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Https,
        method: Method::Post,
        authority: Some(host.into()),
        path: path.into(),
        query: None,
        status: Some(200),
        request_headers: Headers::default(),
        response_headers: Headers::default(),
        request_body: Body::default(),
        response_body: Body::default(),
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    }
}

fn told(call: &GenAi) -> String {
    let text = |name: &Option<Box<str>>| name.as_deref().unwrap_or("-").to_owned();
    let number = |count: Option<u64>| count.map_or("-".into(), |count| count.to_string());
    format!(
        "{} {} {} {} {} {}",
        call.provider,
        call.operation.as_str(),
        text(&call.request_model),
        text(&call.response_model),
        number(call.input_tokens),
        number(call.output_tokens)
    )
}

#[test]
fn whole_answers_of_every_interface() {
    for (host, path, request, response, expected) in [
        (
            "api.openai.com",
            "/v1/chat/completions",
            r#"{"model":"gpt-4o","messages":[]}"#,
            r#"{"object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}"#,
            "openai chat gpt-4o gpt-4o-2024-08-06 9 12",
        ),
        (
            "localhost:8000",
            "/v1/responses",
            r#"{"model":"gpt-5","input":"hello"}"#,
            r#"{"object":"response","model":"gpt-5-x","output":[{"type":"message"}],"usage":{"input_tokens":7,"output_tokens":3}}"#,
            "openai chat gpt-5 gpt-5-x 7 3",
        ),
        (
            "api.anthropic.com",
            "/v1/messages",
            r#"{"model":"claude-x","max_tokens":9,"messages":[]}"#,
            r#"{"type":"message","model":"claude-x-1","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":10,"cache_read_input_tokens":90,"output_tokens":6}}"#,
            "anthropic chat claude-x claude-x-1 100 6",
        ),
        (
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            r#"{"contents":[]}"#,
            r#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":6},"modelVersion":"gemini-2.5-pro-001"}"#,
            "gcp.gemini generate_content gemini-2.5-pro gemini-2.5-pro-001 4 11",
        ),
        (
            "localhost:11434",
            "/api/chat",
            r#"{"model":"llama3.2","messages":[]}"#,
            r#"{"model":"llama3.2","message":{"role":"assistant","content":"x"},"done":true,"prompt_eval_count":26,"eval_count":298}"#,
            "ollama chat llama3.2 llama3.2 26 298",
        ),
        (
            "my.openai.azure.com",
            "/openai/deployments/prod-gpt/chat/completions",
            r#"{"messages":[]}"#,
            r#"{"error":{"code":"429"}}"#,
            "azure.ai.openai chat prod-gpt - - -",
        ),
        (
            "llm:80",
            "/v1/embeddings",
            r#"{"input":["a"],"model":"e5"}"#,
            r#"{"object":"list","data":[],"model":"e5","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            "openai embeddings e5 e5 8 -",
        ),
    ] {
        let call = of(&http(host, path), request.as_bytes(), response.as_bytes(), None);
        assert_eq!(call.as_ref().map(told).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn what_only_has_the_path_is_no_call_of_a_model() {
    for (path, request, response) in [
        ("/api/chat", r#"{"text":"hello","room":7}"#, r#"{"ok":true}"#),
        ("/v1/messages", r#"{"messages":["a sms"]}"#, r#"{"sent":1}"#),
        ("/completion", "{}", "{}"),
        ("/v1/chat/completions", "", ""),
        ("/users", r#"{"model":"gpt-4o","messages":[]}"#, "{}"),
    ] {
        assert_eq!(of(&http("a", path), request.as_bytes(), response.as_bytes(), None), None, "{path}");
    }
}

#[test]
fn events_add_up_and_the_first_output_counts() {
    for (path, events, expected, first) in [
        (
            "/v1/chat/completions",
            &[
                r#"{"model":"m-1","choices":[{"delta":{"role":"assistant","content":""}}]}"#,
                r#"{"model":"m-1","choices":[{"delta":{"content":"Hel"}}],"usage":null}"#,
                r#"{"model":"m-1","choices":[{"delta":{"content":"lo"}}],"usage":null}"#,
                r#"{"model":"m-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#,
                "[DONE]",
            ][..],
            "openai chat - m-1 9 2",
            Some(1),
        ),
        (
            "/v1/responses",
            &[
                r#"{"type":"response.created","response":{"model":"m-2","usage":null}}"#,
                r#"{"type":"response.output_text.delta","delta":"a"}"#,
                r#"{"type":"response.completed","response":{"model":"m-2","usage":{"input_tokens":3,"output_tokens":4}}}"#,
            ],
            "openai chat - m-2 3 4",
            Some(1),
        ),
        (
            "/v1/messages",
            &[
                r#"{"type":"message_start","message":{"model":"m-3","usage":{"input_tokens":25,"output_tokens":1}}}"#,
                r#"{"type":"content_block_start","index":0}"#,
                r#"{"type":"ping"}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":15}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            "anthropic chat - m-3 25 15",
            Some(3),
        ),
        (
            "/v1beta/models/g:streamGenerateContent",
            &[
                r#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1},"modelVersion":"g-1"}"#,
                r#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":9},"modelVersion":"g-1"}"#,
            ],
            "gcp.gemini generate_content g g-1 4 9",
            Some(0),
        ),
        (
            "/api/generate",
            &[
                r#"{"model":"l","response":"","done":false}"#,
                r#"{"model":"l","response":"T","done":false}"#,
                r#"{"model":"l","response":"","done":true,"prompt_eval_count":1,"eval_count":2}"#,
            ],
            "ollama text_completion - l 1 2",
            Some(1),
        ),
    ] {
        let mut follower = Follower::of(&Method::Post, path).unwrap();
        for (at, event) in events.iter().enumerate() {
            follower.event(Timestamp::from_nanos(at as u64), event.as_bytes());
        }
        let asked = Timestamp::default();
        let call = of(&http("a", path), b"", b"", Some((&follower, asked))).unwrap();
        assert_eq!(told(&call), expected, "{path}");
        assert_eq!(call.time_to_first_token, first.map(Duration::from_nanos), "{path}");
    }
}
