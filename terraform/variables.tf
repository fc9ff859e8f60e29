variable "name" {
  description = "Name of the deployment, one of its kind in the account, as roles have no region: every resource's name starts with it. A change makes all anew."
  type        = string
  default     = "ride"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name must be 2 to 20 lowercase letters, digits and hyphens, starting with a letter: bucket names are made from it."
  }
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer managed key that encrypts streams, buckets, logs, the function's environment, queue and alarm topic. Keys that AWS keeps unless set; examples/complete has a key with the policy that it needs."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be a key's ARN, arn:aws:kms:region:account:key/id: an alias would make the role's rights depend on where it points."
  }
}

variable "former_kms_key_arns" {
  description = "Keys that were kms_key_arn before: they may still be decrypted with, for as long as anything is kept that they encrypted."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "former_kms_key_arns must be keys' ARNs, arn:aws:kms:region:account:key/id."
  }
}

# Streams

variable "events_shards" {
  description = "Shards of the events stream, each of which takes 1,000 records or 1 MiB a second; null for on-demand, where Kinesis adds shards by itself."
  type        = number
  default     = 1
}

variable "predictions_shards" {
  description = "Shards of the predictions stream; null for on-demand. A prediction has about four times the bytes of a ride event."
  type        = number
  default     = 1
}

variable "retention_hours" {
  description = "How long both streams keep a record. Rides that wait for a model must not expire: longer than record_age_seconds."
  type        = number
  default     = 24
  nullable    = false
}

variable "shard_metrics" {
  description = "Metrics that Kinesis gives shard by shard, at CloudWatch's price for custom metrics; none unless set. Those that tell a hot shard: IncomingBytes, IncomingRecords, WriteProvisionedThroughputExceeded."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "encrypt_streams" {
  description = "Whether the streams are encrypted at rest with the key that AWS keeps for Kinesis, where kms_key_arn names no other."
  type        = bool
  default     = true
  nullable    = false
}

# Buckets

variable "rejects_retention_days" {
  description = "How long rejected and failed rides are kept; for good where null."
  type        = number
  default     = 90
}

variable "noncurrent_retention_days" {
  description = "How long what was overwritten or deleted in a bucket can be brought back; for good where null, and then nothing is moved to cheaper storage either. What an alias may still name is never deleted by its age."
  type        = number
  default     = 30
}

variable "discard_models" {
  description = "Whether `terraform destroy` may delete models, and who moved their aliases when. Off, it stops at a bucket that holds some."
  type        = bool
  default     = false
  nullable    = false
}

variable "discard_rejects" {
  description = "Whether `terraform destroy` may delete rejected and failed rides. Off, it stops at a bucket that holds some."
  type        = bool
  default     = false
  nullable    = false
}

# The function

variable "package" {
  description = "Path of the function's zip; what `make package` builds for the architecture unless set."
  type        = string
  default     = null
}

variable "image_uri" {
  description = "Container image of the function, by digest: repository@sha256:… In place of the zip where set."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor the function runs on, and its package was built for: x86_64 or arm64, a fifth cheaper."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation { # here, as the default package's name is made of it
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "memory_mb" {
  description = "Memory of the function in MB; its share of a processor grows with it, one whole at 1,769."
  type        = number
  default     = 1024
  nullable    = false
}

variable "timeout_seconds" {
  description = "What one batch may take, the load of the model at the first one included."
  type        = number
  default     = 60
  nullable    = false
}

variable "ephemeral_storage_mb" {
  description = "Size of /tmp, where models of flavours other than scikit-learn's are unpacked."
  type        = number
  default     = 512
  nullable    = false
}

variable "reserved_concurrency" {
  description = "Most batches at once, taken from the account's share, of which 100 stay unreserved; null leaves the function unreserved. Below shards × parallelization_factor, some shards wait. A new account has less than the usual 1,000 until AWS raises it."
  type        = number
  default     = null
}

variable "provisioned_concurrency" {
  description = "Environments that are kept warm, with their model loaded; 0 for none. A stream keeps its own warm, so only bursts on new shards gain."
  type        = number
  default     = 0
  nullable    = false
}

variable "snap_start" {
  description = "Whether a version starts from a snapshot of its initialised memory, its model in it. For zips, without provisioned concurrency. Each version is paid for as long as it is there: `python -m infra prune-versions` deletes old ones."
  type        = bool
  default     = false
  nullable    = false
}

variable "tracing" {
  description = "Whether batches are traced by X-Ray. It adds some hundred milliseconds to a cold start. The X-Ray SDK it uses has been in maintenance mode since February 2026; AWS recommends OpenTelemetry for new work."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the function's log is kept, in days that CloudWatch offers."
  type        = number
  default     = 14
  nullable    = false
}

variable "canary" {
  description = "While a new version of the function is tried: the version that goes on serving, and the share of batches, 0 to 1, that the newest one gets. Null, and the newest serves alone."
  type        = object({ stable_version = string, weight = number })
  default     = null
}

# The model

variable "model_name" {
  description = "Registered model whose alias the function follows."
  type        = string
  default     = "ride-duration"
  nullable    = false

  validation { # here, as it becomes part of the publisher's rights
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.model_name))
    error_message = "model_name must be at most 100 letters, digits, dots, underscores and hyphens: permissions are granted on the prefix of that name."
  }
}

variable "model_alias" {
  description = "Alias that the function follows."
  type        = string
  default     = "champion"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.model_alias))
    error_message = "model_alias must be at most 100 letters, digits, dots, underscores and hyphens: it is part of keys in the store."
  }
}

variable "model_refresh_seconds" {
  description = "How often, at most, the function looks whether the alias has moved."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.model_refresh_seconds >= 0 && var.model_refresh_seconds <= 86400
    error_message = "model_refresh_seconds must be from 0 to 86400."
  }
}

variable "shadow_alias" {
  description = "Alias of a second model that scores the same rides beside the first, in a process of its own that takes some 100 MB; its predictions carry the role \"shadow\". None unless set."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.shadow_alias == "" || can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.shadow_alias))
    error_message = "shadow_alias must be at most 100 letters, digits, dots, underscores and hyphens: it is part of keys in the store."
  }

  validation {
    condition     = var.shadow_alias != var.model_alias
    error_message = "shadow_alias names another alias than model_alias: the same model would score twice."
  }
}

variable "environment_variables" {
  description = "Further environment variables of the function, for settings that have no variable here: MLFLOW_ALLOW_PICKLE_DESERIALIZATION for an image that may read pickles, or what a model's own code reads. Not for secrets: whoever may read the function's configuration sees them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.environment_variables), ["SHADOW_ALIAS", "SHADOW_STREAM_NAME"])) == 0
    error_message = "environment_variables must not have SHADOW_ALIAS or SHADOW_STREAM_NAME: shadow_alias and shadow_stream set these."
  }
}

variable "shadow_stream" {
  description = "Whether the shadow's predictions go to a stream of their own, with as many shards as the predictions stream."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.shadow_stream || var.shadow_alias != ""
    error_message = "shadow_stream requires shadow_alias: set both, or neither."
  }
}

variable "output_aggregation" {
  description = "How predictions are packed into records: none, one each, or kpl, many in one record of the Kinesis Producer Library's. A Lambda function that reads the predictions stream with enhanced fan-out must not get packed ones: Lambda would drop those whose partition key belongs to another shard."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "kpl"], var.output_aggregation)
    error_message = "output_aggregation must be none or kpl."
  }
}

# The mapping from the stream to the function

variable "mapping_enabled" {
  description = "Whether rides are read from the stream. Off, they wait in it, up to its retention."
  type        = bool
  default     = true
  nullable    = false
}

variable "starting_position" {
  description = "Where a new mapping starts to read: TRIM_HORIZON, all that the stream keeps, LATEST or AT_TIMESTAMP. Another value makes a new mapping, and so does enhanced_fan_out: docs/operations.md says how to switch without reading everything again."
  type        = string
  default     = "TRIM_HORIZON"
  nullable    = false
}

variable "starting_position_timestamp" {
  description = "The time to start at, as RFC 3339, with a starting_position of AT_TIMESTAMP."
  type        = string
  default     = null
}

variable "batch_size" {
  description = "Most records in one batch."
  type        = number
  default     = 500
  nullable    = false
}

variable "batch_window_seconds" {
  description = "How long Lambda may wait to fill a batch; 0 sends at once."
  type        = number
  default     = 0
  nullable    = false
}

variable "parallelization_factor" {
  description = "Batches of one shard at once, 1 to 10, apart by partition key; those of one key keep their order. Records of the Kinesis Producer Library's aggregates all have one partition key, so more than 1 helps no producer that aggregates: give the stream more shards."
  type        = number
  default     = 1
  nullable    = false
}

variable "retry_attempts" {
  description = "How often a batch is tried again before it is set aside. Only transient causes fail a batch (no model yet, a throttled stream), so the default leaves the bound to the record's age."
  type        = number
  default     = 10000
  nullable    = false
}

variable "record_age_seconds" {
  description = "How old a record may get before it is set aside. Shorter than the stream's retention, or records expire unseen."
  type        = number
  default     = 21600
  nullable    = false

  validation {
    condition     = var.record_age_seconds < var.retention_hours * 3600
    error_message = "record_age_seconds must be shorter than retention_hours, or records expire in the stream before they are set aside."
  }
}

variable "filter_patterns" {
  description = "Patterns of Lambda's event filtering, up to 10, of which AWS takes 5 unless the account's quota was raised; records that match none are dropped unread. None unless set: every ride is scored."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "enhanced_fan_out" {
  description = "Whether the mapping reads with 2 MiB/s a shard of its own, pushed within 70 ms. Of use where others read the events stream too, and for single records alone: of aggregated ones Lambda then drops what does not belong to their partition key, without a trace. Another value makes a new mapping: see starting_position."
  type        = bool
  default     = false
  nullable    = false
}

variable "failure_queue" {
  description = "Whether batches whose retries are spent are told to an SQS queue in place of the rejects bucket. A queue is told where in the stream they are, and the bucket is given the whole records."
  type        = bool
  default     = false
  nullable    = false
}

# Observability

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each has to confirm by the mail that it gets."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "alarm_thresholds" {
  description = "When alarms are raised, where other than by default: iterator_age_seconds, error_share, reject_share, silent_minutes. modules/observability says why each default is what it is."
  type        = map(number)
  default     = {}
  nullable    = false

  validation { # a map, as an object would drop a name that is misspelt
    condition     = length(setsubtract(keys(var.alarm_thresholds), ["iterator_age_seconds", "error_share", "reject_share", "silent_minutes"])) == 0
    error_message = "alarm_thresholds takes only iterator_age_seconds, error_share, reject_share and silent_minutes."
  }
}
