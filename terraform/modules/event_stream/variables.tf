variable "name" {
  description = "Name of the stream."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,128}$", var.name))
    error_message = "name must be 1 to 128 letters, digits, underscores, dots and hyphens: Kinesis allows no others."
  }
}

variable "shards" {
  description = "Shards, each of which takes 1,000 records or 1 MiB a second; null for on-demand."
  type        = number
  default     = 1

  validation {
    condition     = var.shards == null ? true : var.shards >= 1 && floor(var.shards) == var.shards
    error_message = "shards must be a whole number of at least 1, or null for on-demand."
  }
}

variable "retention_hours" {
  description = "How long a record is kept. Above 24 Kinesis asks a price."
  type        = number
  default     = 24
  nullable    = false

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760 && floor(var.retention_hours) == var.retention_hours
    error_message = "retention_hours must be a whole number from 24 to 8760, a year."
  }
}

variable "kms_key" {
  description = "Key that encrypts what the stream keeps: alias/aws/kinesis, which AWS keeps, the ARN of one of yours, or null for none."
  type        = string
  default     = "alias/aws/kinesis"

  validation {
    condition     = var.kms_key == null ? true : var.kms_key == "alias/aws/kinesis" || can(regex("^arn:[a-z-]+:kms:", var.kms_key))
    error_message = "kms_key must be alias/aws/kinesis, the ARN of a KMS key, or null for no encryption."
  }
}

variable "shard_metrics" {
  description = "Metrics that are given shard by shard."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition = length(setsubtract(var.shard_metrics, [
      "IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords",
      "WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds",
    ])) == 0
    error_message = "shard_metrics must be among IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded and IteratorAgeMilliseconds."
  }
}

variable "consumers" {
  description = "Names of consumers with enhanced fan-out, each of which has its price."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.consumers) <= 20 && alltrue([for name in var.consumers : can(regex("^[a-zA-Z0-9_.-]{1,128}$", name))])
    error_message = "consumers must be at most 20 names of letters, digits, underscores, dots and hyphens: Kinesis registers no more."
  }
}

variable "tags" {
  description = "Tags of the stream."
  type        = map(string)
  default     = {}
  nullable    = false
}
