{{- define "roost.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "roost.selector" -}}
app.kubernetes.io/name: roost
app.kubernetes.io/component: control-plane
{{- end }}

{{- define "roost.labels" -}}
{{ include "roost.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: roost
{{- end }}

{{- define "roost.service" -}}
roost-control-plane.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "roost.webhookClient" -}}
clientConfig:
  # The control plane writes and renews caBundle.
  service:
    name: roost-control-plane
    namespace: {{ .root.Release.Namespace }}
    port: 15017
    path: {{ .path }}
admissionReviewVersions: [v1]
sideEffects: None
failurePolicy: {{ .root.Values.webhook.failurePolicy }}
timeoutSeconds: {{ .root.Values.webhook.timeoutSeconds }}
matchPolicy: Equivalent
{{- end }}

{{- define "roost.notExcluded" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ toJson (append .Values.webhook.excludedNamespaces .Release.Namespace | uniq) }}
{{- end }}
