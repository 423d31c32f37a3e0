//! Impossible specs are refused by the API server itself, with a message that says why.

use super::small;
use crate::cluster::Namespace;
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// Each with a word that the refusal must contain.
pub async fn impossible_specs_are_refused(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    let patches = [
        (json!({"storage": {"size": "512Mi"}}), "can grow but not shrink"),
        (json!({"storage": {"storageClassName": "other"}}), "cannot change"),
        (json!({"storage": {"whenDeleted": "Ask"}}), "whenDeleted"),
        (json!({"limits": {"maxQueryMemory": "2Gi"}}), "must not exceed resources.limits.memory"),
        (json!({"limits": {"queryTimeout": "soon"}}), "queryTimeout"),
        (json!({"limits": {"queryTimeout": "0s"}}), "no time at all"),
        (json!({"limits": {"bulkTimeout": "9000h"}}), "at most a year"),
        (json!({"limits": {"maxRows": -1}}), "maxRows"),
        (json!({"pool": {"maxConnections": 0}}), "maxConnections"),
        (json!({"logging": {"level": "loud"}}), "level"),
        (json!({"resources": {"requests": {"memory": "1Gi"}}}), "must not exceed resources.limits.memory"),
        (json!({"resources": {"limits": {"memory": null}}}), "needs a memory limit"),
    ];
    for (patch, word) in patches {
        let error = namespace
            .patch_database("orders", patch.clone())
            .await
            .err()
            .with_context(|| format!("{patch} was taken"))?;
        ensure!(error.to_string().contains(word), "the refusal of {patch} does not say {word:?}: {error}");
    }
    Ok(())
}
