variable "name" {
  description = "Name of the bucket, which no other bucket of AWS has."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 63 lowercase letters, digits and hyphens, with no hyphen at either end: S3 allows no others, and a dot would not match its TLS certificate."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key that encrypts the objects; S3's own unless set."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "expire_days" {
  description = "After how many days objects are deleted, by their prefix; none is unless named."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for days in values(var.expire_days) : days >= 1 && floor(days) == days])
    error_message = "expire_days must be whole numbers of at least 1."
  }
}

variable "noncurrent_days" {
  description = "How long what was overwritten or deleted can be brought back; for good unless set."
  type        = number
  default     = null

  validation {
    condition     = var.noncurrent_days == null ? true : var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days must be a whole number of at least 1, or null to keep them for ever."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a bucket that holds objects."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tier_days" {
  description = "After how many days objects move to S3's Intelligent-Tiering, by their prefix: cheaper the longer nobody reads them, and read as fast as ever."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for days in values(var.tier_days) : days >= 0 && floor(days) == days])
    error_message = "tier_days must be whole numbers of at least 0."
  }
}
