//! Impossible specs are refused by the API server itself, with a message that says why.

use super::small;
use crate::cluster::Namespace;
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// Each with a word that the refusal must contain.
pub async fn impossible_specs_are_refused(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    let patches = [
        (json!({"storage": {"size": "512Mi"}}), "shr"),
        (json!({"limits": {"maxQueryMemory": "2Gi"}}), "memory"),
        (json!({"limits": {"queryTimeout": "soon"}}), "queryTimeout"),
        (json!({"limits": {"maxRows": -1}}), "maxRows"),
        (json!({"pool": {"maxConnections": 0}}), "maxConnections"),
        (json!({"logging": {"level": "loud"}}), "level"),
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
