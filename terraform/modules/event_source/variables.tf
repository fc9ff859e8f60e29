variable "stream_arn" {
  description = "The Kinesis stream."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kinesis:", var.stream_arn))
    error_message = "stream_arn must be the ARN of a Kinesis stream."
  }
}

variable "consumer_arn" {
  description = "Consumer with enhanced fan-out that reads the stream; without one, its shards are polled."
  type        = string
  default     = null

  validation {
    condition     = var.consumer_arn == null ? true : can(regex("^arn:[a-z-]+:kinesis:.*/consumer/", var.consumer_arn))
    error_message = "consumer_arn must be the ARN of a stream's consumer."
  }
}

variable "function_arn" {
  description = "The function; by an alias, so that a new version takes over when the alias moves."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:lambda:", var.function_arn))
    error_message = "function_arn must be the ARN of a function, or of its alias."
  }
}

variable "enabled" {
  description = "Whether the stream is read."
  type        = bool
  default     = true
  nullable    = false
}

variable "starting_position" {
  description = "Where a new mapping starts to read: TRIM_HORIZON, LATEST or AT_TIMESTAMP. A change makes a new mapping."
  type        = string
  default     = "TRIM_HORIZON"
  nullable    = false

  validation {
    condition     = contains(["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"], var.starting_position)
    error_message = "starting_position must be TRIM_HORIZON, LATEST or AT_TIMESTAMP."
  }
}

variable "starting_position_timestamp" {
  description = "The time to start at, as RFC 3339, where starting_position is AT_TIMESTAMP."
  type        = string
  default     = null

  validation {
    condition     = var.starting_position_timestamp == null ? true : can(timeadd(var.starting_position_timestamp, "0s"))
    error_message = "starting_position_timestamp must be a time in the form 2026-01-31T00:00:00Z."
  }

  validation {
    condition     = (var.starting_position_timestamp != null) == (var.starting_position == "AT_TIMESTAMP")
    error_message = "starting_position_timestamp requires starting_position to be AT_TIMESTAMP, and must be null otherwise."
  }
}

variable "batch_size" {
  description = "Most records in one batch; at most 6 MB of them."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && floor(var.batch_size) == var.batch_size
    error_message = "batch_size must be a whole number from 1 to 10000."
  }
}

variable "batch_window_seconds" {
  description = "How long Lambda may wait to fill a batch; 0 sends at once."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.batch_window_seconds >= 0 && var.batch_window_seconds <= 300 && floor(var.batch_window_seconds) == var.batch_window_seconds
    error_message = "batch_window_seconds must be a whole number from 0 to 300."
  }
}

variable "parallelization_factor" {
  description = "Batches of one shard at once, apart by partition key."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.parallelization_factor >= 1 && var.parallelization_factor <= 10 && floor(var.parallelization_factor) == var.parallelization_factor
    error_message = "parallelization_factor must be a whole number from 1 to 10."
  }
}

variable "tumbling_window_seconds" {
  description = "Window over which a function carries state from batch to batch; 0 for none. One that keeps no state has no use for it."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.tumbling_window_seconds >= 0 && var.tumbling_window_seconds <= 900 && floor(var.tumbling_window_seconds) == var.tumbling_window_seconds
    error_message = "tumbling_window_seconds must be a whole number from 0 to 900."
  }
}

variable "bisect" {
  description = "Whether a batch that the function fails on is tried again in halves."
  type        = bool
  default     = true
  nullable    = false
}

variable "retry_attempts" {
  description = "How often a batch is tried again before it is set aside."
  type        = number
  default     = 10000
  nullable    = false

  validation {
    condition     = var.retry_attempts >= 0 && var.retry_attempts <= 10000 && floor(var.retry_attempts) == var.retry_attempts
    error_message = "retry_attempts must be a whole number from 0 to 10000: without a bound, one record could hold its shard until it expires."
  }
}

variable "record_age_seconds" {
  description = "How old a record may get before it is set aside."
  type        = number
  default     = 21600
  nullable    = false

  validation {
    condition     = var.record_age_seconds >= 60 && var.record_age_seconds <= 604800 && floor(var.record_age_seconds) == var.record_age_seconds
    error_message = "record_age_seconds must be a whole number from 60 to 604800, Lambda's limits."
  }
}

variable "filter_patterns" {
  description = "Patterns of Lambda's event filtering, of which a record has to match one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.filter_patterns) <= 10 && alltrue([for pattern in var.filter_patterns : can(keys(jsondecode(pattern))) && try(length(pattern) <= 4096, false)])
    error_message = "filter_patterns must be at most 10 JSON objects of at most 4,096 characters each; AWS allows 5 per mapping unless the account's quota was raised."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key that encrypts the patterns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "failure_destination_arn" {
  description = "Bucket, queue or topic for batches whose retries are spent. A mapping without one drops them."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:(s3|sqs|sns):", var.failure_destination_arn))
    error_message = "failure_destination_arn must be the ARN of a bucket, a queue or a topic."
  }
}

variable "tags" {
  description = "Tags of the mapping."
  type        = map(string)
  default     = {}
  nullable    = false
}
