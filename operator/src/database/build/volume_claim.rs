//! The claim of the volume with the data. It is the operator's, not a template of the StatefulSet, so that the volume can
//! grow and can outlive its Database: with `whenDeleted: Retain` it has no owner, and nothing collects it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource;

use super::{Inputs, owned};
use crate::api::WhenDeleted;

pub(super) fn build(inputs: &Inputs) -> PersistentVolumeClaim {
    let mut metadata = owned(inputs, &inputs.names.volume_claim);
    if inputs.spec.storage.when_deleted == WhenDeleted::Retain {
        metadata.owner_references = None;
    }
    let size = resource::Quantity(inputs.volume_size.as_str().to_owned());
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: inputs.storage_class_name.map(ToOwned::to_owned),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
