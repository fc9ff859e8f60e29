variable "name" {
  description = "Name of the function, its role and its log."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits, underscores and hyphens: Lambda and IAM allow no others."
  }
}

variable "description" {
  description = "What the function does."
  type        = string
  nullable    = false
}

variable "handler" {
  description = "Where the zip's code starts, as package.module.function."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "What the function is told, beside its name for logs and metrics (POWERTOOLS_SERVICE_NAME) and whether it is traced (TRACING)."
  type        = map(string)
  nullable    = false
}

variable "environment_variables" {
  description = "What the function is told beside that: settings of its own that nothing here has a variable for."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", name)) && !startswith(name, "AWS_")])
    error_message = "environment_variables must have names of letters, digits and underscores that start with a letter, but not with AWS_, which Lambda sets itself."
  }

  validation {
    condition     = length(setintersection(keys(var.environment_variables), concat(keys(var.environment), ["POWERTOOLS_SERVICE_NAME", "TRACING"]))) == 0
    error_message = "environment_variables must not have ${join(", ", setintersection(keys(var.environment_variables), concat(keys(var.environment), ["POWERTOOLS_SERVICE_NAME", "TRACING"])))}: other variables set these."
  }
}

variable "policy" {
  description = "What the function may do beside writing its log and traces: the name of the role's policy, and its statements as the JSON of a document. A new name makes a new policy."
  type        = object({ name = string, json = string })
  nullable    = false
}

variable "package" {
  description = "The function's zip, and the SHA-256 of the sources that it has to be built from: it is compared with the one that the packager wrote to <path>.sources. Not compared unless set."
  type        = object({ path = string, sources_sha256 = optional(string) })
  default     = null
}

variable "package_bucket" {
  description = "Bucket by way of which the zip reaches Lambda."
  type        = string
  nullable    = false
}

variable "image_uri" {
  description = "Container image of the function, by digest, in place of the zip."
  type        = string
  default     = null

  validation {
    condition     = var.image_uri == null ? true : can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri must name an image by its digest, repository@sha256:… with 64 hexadecimal digits: a tag can move to another image unnoticed."
  }
}

variable "architecture" {
  description = "Processor that the function runs on: x86_64 or arm64."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "memory_mb" {
  description = "Memory in MB."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb must be a whole number from 128 to 10240."
  }
}

variable "timeout_seconds" {
  description = "What one batch may take."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 10 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "timeout_seconds must be a whole number from 10 to 900: below that a model cannot be loaded."
  }
}

variable "ephemeral_storage_mb" {
  description = "Size of /tmp in MB."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.ephemeral_storage_mb >= 512 && var.ephemeral_storage_mb <= 10240 && floor(var.ephemeral_storage_mb) == var.ephemeral_storage_mb
    error_message = "ephemeral_storage_mb must be a whole number from 512 to 10240."
  }
}

variable "reserved_concurrency" {
  description = "Most batches at once; null leaves the function unreserved."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency must be a whole number of at least 1, or null: 0 would stop the function with batches in flight; to stop it, set mapping_enabled = false."
  }
}

variable "provisioned_concurrency" {
  description = "Environments that are kept warm."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.provisioned_concurrency >= 0 && floor(var.provisioned_concurrency) == var.provisioned_concurrency
    error_message = "provisioned_concurrency must be a whole number of at least 0."
  }

  validation {
    condition     = var.provisioned_concurrency <= try(coalesce(var.reserved_concurrency), var.provisioned_concurrency)
    error_message = "provisioned_concurrency must be at most reserved_concurrency: provisioned instances count towards it."
  }
}

# https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
variable "snap_start" {
  description = "Whether a version starts from a snapshot."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.snap_start || (var.image_uri == null && var.provisioned_concurrency == 0 && var.ephemeral_storage_mb == 512)
    error_message = "snap_start takes a zip, no provisioned_concurrency and 512 MB of ephemeral storage: Lambda offers it with nothing else."
  }
}

variable "tracing" {
  description = "Whether batches are traced by X-Ray."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the periods that CloudWatch offers."
  }
}

variable "canary" {
  description = "Version that goes on serving while the newest one is tried, and the share of batches, 0 to 1, that the newest one gets."
  type        = object({ stable_version = string, weight = number })
  default     = null

  validation {
    condition     = var.canary == null ? true : can(regex("^[1-9][0-9]*$", var.canary.stable_version)) && try(var.canary.weight >= 0 && var.canary.weight <= 1, false)
    error_message = "canary must have a published version's number as stable_version, and a weight of 0 to 1."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key of the function's environment and log. What it reads and writes with a key is for policy to say."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "tags" {
  description = "Tags of all that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
