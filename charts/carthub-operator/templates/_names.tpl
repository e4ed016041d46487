{{- define "carthub.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The release's name where it says what this is, else both. */ -}}
{{- define "carthub.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "carthub.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "carthub.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "carthub.selector" -}}
app.kubernetes.io/name: {{ include "carthub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Helm itself writes managed-by; chart and operator have one version. */ -}}
{{- define "carthub.labels" -}}
{{ include "carthub.selector" . }}
app.kubernetes.io/part-of: carthub
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "carthub.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "carthub.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "carthub.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end -}}
{{- end }}

{{- define "carthub.leaseName" -}}
{{- default (include "carthub.fullname" .) .Values.leaseName }}
{{- end }}

{{- define "carthub.testSelector" -}}
app.kubernetes.io/name: {{ include "carthub.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
