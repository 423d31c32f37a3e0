{{/* The name of the operator's objects. */}}
{{- define "plimsoll-operator.name" -}}
{{- if contains "plimsoll" .Release.Name -}}
{{- printf "%s-operator" (.Release.Name | trimSuffix "-operator") | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-plimsoll-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll-operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "plimsoll-operator.name" .) -}}
{{- end -}}

{{- define "plimsoll-operator.selector" -}}
app.kubernetes.io/name: plimsoll-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plimsoll-operator.labels" -}}
{{ include "plimsoll-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/*
What the operator may do where Databases live. A Role's rules where it looks after one namespace, else a ClusterRole's.
*/}}
{{- define "plimsoll-operator.rules" -}}
# The Databases themselves are read only: what they ask for is their owners' to say.
- apiGroups: [plimsoll.io]
  resources: [databases]
  verbs: [get, list, watch]
# What the operator says of them.
- apiGroups: [plimsoll.io]
  resources: [databases/status]
  verbs: [patch]
# To own objects on a Database's behalf, where the cluster asks for this right (OwnerReferencesPermissionEnforcement).
- apiGroups: [plimsoll.io]
  resources: [databases/finalizers]
  verbs: [update]
# Credentials, configuration, volume and addresses of each Database. Create and patch are both needed for server-side
# apply; deletion is the garbage collector's.
- apiGroups: [""]
  resources: [secrets, configmaps, persistentvolumeclaims, services]
  verbs: [get, list, watch, create, patch]
# The server itself.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
# To see how a server is doing, to have its node renew the mounted configuration (patch), and to replace one of an older
# image or older resources (delete).
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
# Who may connect to a server, and that it connects to nobody.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
# Only where a Prometheus operator brings this kind.
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch]
# To tell of each transition.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
