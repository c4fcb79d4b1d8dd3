{{- define "eligo.name" -}}
{{- if contains "eligo" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-eligo" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "eligo.selector" -}}
app.kubernetes.io/name: eligo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eligo.labels" -}}
{{ include "eligo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "eligo.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "eligo.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "eligo.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "eligo.env" -}}
- name: ELIGO_DATABASE_URL_FILE
  value: /run/secrets/eligo/database-url
{{- if .Values.metrics.existingSecret }}
- name: ELIGO_METRICS_TOKEN_FILE
  value: /run/secrets/eligo/metrics-token
{{- end }}
- name: TMPDIR
  value: /run/eligo
{{- end }}

{{- define "eligo.mounts" -}}
- name: secrets
  mountPath: /run/secrets/eligo
  readOnly: true
- name: scratch
  mountPath: /run/eligo
{{- end }}

{{- define "eligo.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ required "database.existingSecret: a secret with the URL of the PostgreSQL database" .Values.database.existingSecret }}
          items:
            - key: {{ .Values.database.key }}
              path: database-url
      {{- if .Values.metrics.existingSecret }}
      - secret:
          name: {{ .Values.metrics.existingSecret }}
          items:
            - key: {{ .Values.metrics.key }}
              path: metrics-token
      {{- end }}
- name: scratch
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{- end }}
