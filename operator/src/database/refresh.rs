//! Hastens mounted files.
//!
//! A node renews the files of a mounted ConfigMap or Secret when it next looks at the pod, which may take over a minute.
//! A change of the pod makes it look at once, so a changed configuration is followed by a changed annotation of the
//! pod. The node may look before it has heard of the new ConfigMap; then it is asked again, less and less often.
//!
//! The annotation holds all there is to remember, `REVISION/ATTEMPT@SECONDS`: a restarted operator goes on where the last
//! one ended.

use k8s_openapi::api::core::v1::Pod;

use super::names::label;

/// The annotation to put on the pod so that its node renews the files, if it is time to ask (again).
///
/// `changed` says that a mounted object was written just now, `now_s` is the time in seconds since 1970.
pub fn refresh(pod: &Pod, revision: &str, changed: bool, now_s: i64) -> Option<String> {
    let last = pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(label::REFRESH));
    let last = last.and_then(|text| Asked::parse(text)).filter(|asked| asked.revision == revision);
    let attempt = match last {
        None => 1,
        Some(_) if changed => 1,
        Some(asked) if now_s >= asked.at_s.saturating_add(patience_s(asked.attempt)) => {
            asked.attempt.saturating_add(1)
        }
        Some(_) => return None,
    };
    Some(format!("{revision}/{attempt}@{now_s}"))
}

/// 2, 4, 8 … 64 seconds.
fn patience_s(attempt: u32) -> i64 {
    1 << attempt.clamp(1, 6)
}

struct Asked<'a> {
    revision: &'a str,
    attempt: u32,
    at_s: i64,
}

impl<'a> Asked<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (revision, rest) = text.split_once('/')?;
        let (attempt, at) = rest.split_once('@')?;
        Some(Self { revision, attempt: attempt.parse().ok()?, at_s: at.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn pod(annotation: Option<&str>) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.annotations =
            annotation.map(|text| BTreeMap::from([(label::REFRESH.to_owned(), text.to_owned())]));
        pod
    }

    #[test]
    fn asks_at_once_and_then_with_patience() {
        assert_eq!(refresh(&pod(None), "b", false, 100).as_deref(), Some("b/1@100"));
        assert_eq!(refresh(&pod(Some("a/5@99")), "b", false, 100).as_deref(), Some("b/1@100"));
        assert_eq!(refresh(&pod(Some("b/1@100")), "b", false, 101), None);
        assert_eq!(refresh(&pod(Some("b/1@100")), "b", false, 102).as_deref(), Some("b/2@102"));
        assert_eq!(refresh(&pod(Some("b/2@102")), "b", false, 105), None);
        assert_eq!(refresh(&pod(Some("b/60@100")), "b", false, 163), None);
        assert_eq!(refresh(&pod(Some("b/60@100")), "b", false, 164).as_deref(), Some("b/61@164"));
    }

    #[test]
    fn a_changed_secret_asks_for_the_same_revision() {
        assert_eq!(refresh(&pod(Some("b/1@100")), "b", true, 100).as_deref(), Some("b/1@100"));
        assert_eq!(refresh(&pod(Some("b/1@100")), "b", true, 101).as_deref(), Some("b/1@101"));
    }

    #[test]
    fn a_strange_annotation_is_written_over() {
        assert_eq!(refresh(&pod(Some("hello")), "b", false, 7).as_deref(), Some("b/1@7"));
    }
}
