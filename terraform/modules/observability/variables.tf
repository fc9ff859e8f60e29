variable "name" {
  description = "Name of the dashboard; those of the alarms and their topic start with it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,200}$", var.name))
    error_message = "name must be 1 to 200 letters, digits, underscores and hyphens."
  }
}

variable "function_name" {
  description = "The function."
  type        = string
  nullable    = false
}

variable "alias" {
  description = "Alias that serves."
  type        = string
  nullable    = false
}

variable "log_group" {
  description = "Group of the function's logs."
  type        = string
  nullable    = false
}

variable "service" {
  description = "Dimension `service` of the function's own metrics."
  type        = string
  nullable    = false
}

variable "event_source_uuid" {
  description = "The mapping's identity."
  type        = string
  nullable    = false
}

variable "events_stream" {
  description = "Name of the stream that is read."
  type        = string
  nullable    = false
}

variable "predictions_stream" {
  description = "Name of the stream that is written to."
  type        = string
  nullable    = false
}

variable "owner" {
  description = "ARN of something whose creation fails where a deployment of this name exists, such as its role: the topic is created after it. Not waited for unless set."
  type        = string
  default     = null
}

variable "canary" {
  description = "Version of the function that is being tried beside the one that serves; none unless set. An object, as the version's number is not known before it is published."
  type        = object({ version = string })
  default     = null
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails must be addresses of the form name@domain."
  }
}

# iterator_age_seconds: a ride is scored within a second or two of its arrival. At a minute something
#   is wrong, and there are hours left before record_age_seconds sets rides aside.
# error_share: a batch that ends in an error is tried again, so one now and then costs nothing; of
#   twenty, one is a bug or a dependency that is going.
# reject_share: a producer sends rubbish now and then. At a twentieth, one of them is broken or the
#   event has changed.
# silent_minutes: longer than a batch window (5 minutes at most) and a cold start with retries, or a
#   quiet stream would raise it.
variable "thresholds" {
  description = "When alarms are raised: how old rides may be when their batch is read, the share of calls that fail, the share of rides that are rejected (0 to 1), and how long rides may arrive with nothing coming of them."
  type = object({
    iterator_age_seconds = optional(number, 60)
    error_share          = optional(number, 0.05)
    reject_share         = optional(number, 0.05)
    silent_minutes       = optional(number, 10)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.thresholds.iterator_age_seconds > 0
    error_message = "thresholds.iterator_age_seconds must be above 0."
  }

  validation {
    condition     = alltrue([for share in [var.thresholds.error_share, var.thresholds.reject_share] : share >= 0 && share < 1])
    error_message = "thresholds.error_share and reject_share must be shares, from 0 to below 1."
  }

  validation {
    condition     = var.thresholds.silent_minutes >= 1 && var.thresholds.silent_minutes <= 1435 && floor(var.thresholds.silent_minutes) == var.thresholds.silent_minutes
    error_message = "thresholds.silent_minutes must be a whole number from 1 to 1435: CloudWatch looks back a day at most, and the newest minutes come late."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key of the topic; its policy has to let CloudWatch use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "tags" {
  description = "Tags of alarms and topic."
  type        = map(string)
  default     = {}
  nullable    = false
}
