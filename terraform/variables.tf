variable "name" {
  description = "Name of the deployment: every resource's name starts with it."
  type        = string
  default     = "ride"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name has 2 to 20 characters, lower case letters, digits and hyphens, a letter first: bucket names are made from it."
  }
}

variable "package" {
  description = "Path of the function's zip; what `make package` builds for the architecture unless set."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor the function runs on, and its package was built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is x86_64 or arm64."
  }
}

variable "shards" {
  description = "Shards of each stream. One takes 1,000 records or 1 MiB a second."
  type        = number
  default     = 1

  validation {
    condition     = var.shards >= 1 && floor(var.shards) == var.shards
    error_message = "shards is a whole number from 1 on."
  }
}

variable "encrypt_streams" {
  description = "Whether the streams are encrypted at rest, with the key that AWS keeps for Kinesis."
  type        = bool
  default     = true
}

variable "memory_mb" {
  description = "Memory of the function in MB; its share of a processor grows with it."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "memory_mb is 128 to 10240."
  }
}

variable "timeout_seconds" {
  description = "What one batch may take, the load of the model at the first one included."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout_seconds >= 10 && var.timeout_seconds <= 900
    error_message = "timeout_seconds is 10 to 900: below that a model cannot be loaded."
  }
}

variable "log_retention_days" {
  description = "How long the function's log is kept."
  type        = number
  default     = 14
}

variable "model_name" {
  description = "Registered model whose alias the function follows."
  type        = string
  default     = "ride-duration"
}

variable "model_alias" {
  description = "Alias that the function follows."
  type        = string
  default     = "champion"
}

variable "model_refresh_seconds" {
  description = "How often, at most, the function looks whether the alias has moved."
  type        = number
  default     = 30

  validation {
    condition     = var.model_refresh_seconds >= 0 && var.model_refresh_seconds <= 86400
    error_message = "model_refresh_seconds is 0 to 86400."
  }
}

variable "shadow_alias" {
  description = "Alias of a second model that scores the same rides beside the first; its predictions carry the role \"shadow\". None unless set."
  type        = string
  default     = ""
}

variable "output_aggregation" {
  description = "How predictions are packed into records: none, one each, or kpl, many in one record of the Kinesis Producer Library's."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "kpl"], var.output_aggregation)
    error_message = "output_aggregation is none or kpl."
  }
}

variable "batch_size" {
  description = "Most records in one batch."
  type        = number
  default     = 500

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000
    error_message = "batch_size is 1 to 10000."
  }
}

variable "batch_window_seconds" {
  description = "How long Lambda may wait to fill a batch; 0 sends at once."
  type        = number
  default     = 0

  validation {
    condition     = var.batch_window_seconds >= 0 && var.batch_window_seconds <= 300
    error_message = "batch_window_seconds is 0 to 300."
  }
}

variable "retry_attempts" {
  description = "How often a batch is tried again before it goes to the failures. Only transient causes fail a batch (no model yet, a throttled stream), so the default leaves the bound to the record's age."
  type        = number
  default     = 10000

  validation {
    condition     = var.retry_attempts >= 0 && var.retry_attempts <= 10000
    error_message = "retry_attempts is 0 to 10000: without a bound, one record could hold its shard until it expires."
  }
}

variable "record_age_seconds" {
  description = "How old a record may get before it goes to the failures. Shorter than the stream's retention of 24 hours, or records expire unseen."
  type        = number
  default     = 21600

  validation {
    condition     = var.record_age_seconds >= 60 && var.record_age_seconds < 86400
    error_message = "record_age_seconds is 60 to 86399: the stream itself forgets after 86400."
  }
}

variable "discard_rejects" {
  description = "Whether `terraform destroy` may delete rejected and failed rides. Off, it stops at a bucket that holds some."
  type        = bool
  default     = false
}
