variable "name" {
  description = "Name of the deployment."
  type        = string
  default     = "complete"
}

variable "architecture" {
  description = "Processor that the package was built for."
  type        = string
  default     = "x86_64"
}

variable "shards" {
  description = "Shards of the events stream."
  type        = number
  default     = 2
}

variable "batch_size" {
  description = "Most records in one batch."
  type        = number
  default     = 1000
}

variable "enhanced_fan_out" {
  description = "Whether the mapping has a share of the stream's throughput of its own."
  type        = bool
  default     = true
}

variable "canary" {
  description = "A version of the function that is tried: see docs/operations.md."
  type        = object({ stable_version = string, weight = number })
  default     = null
}

variable "package" {
  description = "Path of the function's zip; what `make package` builds unless set."
  type        = string
  default     = null
}
