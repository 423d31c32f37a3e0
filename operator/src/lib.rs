//! Plimsoll's Kubernetes operator.
