//! `/healthz` (nats-server monitor.go, `HandleHealthz` and `healthz`).

use axum::http::StatusCode;
use forebay_api::monitor::healthz::{Healthz, HealthzError};

use super::query::Query;
use super::{Health, HealthQuestion, MonitorSource};

/// The status and the body, or why the query cannot be read.
pub(super) fn answer(source: &dyn MonitorSource, query: &Query) -> Result<(StatusCode, String), String> {
    let question = question(query)?;
    let (status, errors, code) = match wrong(&question) {
        Some(error) => ("error", vec![bad_request(error)], StatusCode::BAD_REQUEST),
        None => match source.health(&question) {
            Health::Ok => ("ok", Vec::new(), StatusCode::OK),
            Health::Failed { status_code, errors } => {
                let code = StatusCode::from_u16(status_code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                ("unavailable", errors, code)
            }
        },
    };
    if let Some(first) = errors.first() {
        tracing::warn!("Healthcheck failed: {:?}", first.error);
    }
    let mut body = Healthz { status: status.to_owned(), status_code: None, error: None, errors: Vec::new() };
    if code != StatusCode::OK {
        if question.details {
            body.errors = errors;
        } else {
            body.error = errors.into_iter().next().map(|first| first.error);
        }
    }
    serde_json::to_string(&body).map(|body| (code, body)).map_err(|error| error.to_string())
}

fn question(query: &Query) -> Result<HealthQuestion, String> {
    let deprecated = query.switch("js-enabled")?;
    if deprecated {
        tracing::warn!("Healthcheck: js-enabled deprecated, use js-enabled-only instead");
    }
    let owned = |name: &str| query.text(name).map(str::to_owned);
    Ok(HealthQuestion {
        js_enabled_only: query.switch("js-enabled-only")? || deprecated,
        js_server_only: query.switch("js-server-only")?,
        js_meta_only: query.switch("js-meta-only")?,
        account: owned("account"),
        stream: owned("stream"),
        consumer: owned("consumer"),
        details: query.switch("details")?,
    })
}

/// What makes a question unanswerable, in nats-server's words.
fn wrong(question: &HealthQuestion) -> Option<&'static str> {
    match (&question.account, &question.stream, &question.consumer) {
        (_, None, Some(_)) => Some("\"stream\" must not be empty when checking consumer health"),
        (None, Some(_), _) => Some("\"account\" must not be empty when checking stream health"),
        _ => None,
    }
}

fn bad_request(error: &str) -> HealthzError {
    HealthzError {
        kind: "BAD_REQUEST".to_owned(),
        account: None,
        stream: None,
        consumer: None,
        error: error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use forebay_api::monitor::varz::Varz;

    use super::*;

    struct Sick(Health);

    impl MonitorSource for Sick {
        fn fill_varz(&self, _: &mut Varz) {}

        fn health(&self, _: &HealthQuestion) -> Health {
            self.0.clone()
        }
    }

    fn ask(health: Health, query: &str) -> (u16, String) {
        let (status, body) = answer(&Sick(health), &Query::parse(Some(query))).unwrap();
        (status.as_u16(), body)
    }

    fn failed() -> Health {
        let error = HealthzError {
            kind: "JETSTREAM".into(),
            account: None,
            stream: None,
            consumer: None,
            error: "JetStream is not current".into(),
        };
        Health::Failed { status_code: 503, errors: vec![error] }
    }

    #[test]
    fn every_parameter_of_nats_server_is_known() {
        for query in
            ["", "js-enabled-only=1", "js-server-only=true", "js-meta-only=t", "details=true", "account=A", "foo=1"]
        {
            assert_eq!(ask(Health::Ok, query), (200, r#"{"status":"ok"}"#.to_owned()), "{query}");
        }
    }

    #[test]
    fn a_question_without_its_context_is_refused() {
        assert_eq!(
            ask(Health::Ok, "stream=Y"),
            (400, r#"{"status":"error","error":"\"account\" must not be empty when checking stream health"}"#.into())
        );
        assert_eq!(
            ask(Health::Ok, "consumer=C").1,
            r#"{"status":"error","error":"\"stream\" must not be empty when checking consumer health"}"#
        );
    }

    #[test]
    fn what_is_wrong_is_told_short_or_long() {
        assert_eq!(ask(failed(), ""), (503, r#"{"status":"unavailable","error":"JetStream is not current"}"#.into()));
        assert_eq!(
            ask(failed(), "details=1"),
            (
                503,
                r#"{"status":"unavailable","errors":[{"type":"JETSTREAM","error":"JetStream is not current"}]}"#.into()
            )
        );
    }

    #[test]
    fn a_bad_switch_is_no_question() {
        assert!(answer(&Sick(Health::Ok), &Query::parse(Some("details=x"))).unwrap_err().contains("'details'"));
    }
}
