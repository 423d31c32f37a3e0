//! The ConfigMap with the server's configuration file.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{CONFIG_KEY, Inputs, owned};

pub(super) fn build(inputs: &Inputs) -> ConfigMap {
    ConfigMap {
        metadata: owned(inputs, &inputs.names.config_map),
        data: Some(BTreeMap::from([(CONFIG_KEY.to_owned(), inputs.config.yaml.clone())])),
        ..ConfigMap::default()
    }
}
