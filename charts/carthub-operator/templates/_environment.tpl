{{- define "carthub.env" -}}
{{- if .Values.watchNamespaces -}}
- name: CARTHUB_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
{{ else if kindIs "invalid" .Values.secretAllowList -}}
{{ fail "secretAllowList is null, which only an operator of named namespaces (watchNamespaces) may have: {} lets nobody have an AWS secret" }}
{{ end -}}
{{- if not (kindIs "invalid" .Values.secretAllowList) -}}
# Globs of namespaces to globs of AWS secretIds, such as {"shop-*": ["prod/carthub/*"]}.
# Nothing until you say so.
- name: CARTHUB_SECRET_ALLOW_LIST
  value: {{ toJson .Values.secretAllowList | quote }}
{{ end -}}
- name: CARTHUB_ROLE_ALLOW_LIST
  value: {{ toJson .Values.roleAllowList | quote }}
- name: CARTHUB_LEASE_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: CARTHUB_LEASE_NAME
  value: {{ include "carthub.leaseName" . | quote }}
- name: CARTHUB_HTTP_PORT
  value: {{ .Values.port | quote }}
- name: CARTHUB_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: CARTHUB_CHECK_LOGINS
  value: {{ .Values.checkLogins | quote }}
- name: CARTHUB_WORKERS
  value: {{ .Values.workers | quote }}
- name: CARTHUB_RESYNC_SECONDS
  value: {{ .Values.resyncSeconds | quote }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
