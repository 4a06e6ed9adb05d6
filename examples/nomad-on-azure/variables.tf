variable "subscription_id" {
  description = "Subscription in which the cluster is made, a GUID"
  type        = string
}

variable "location" {
  description = "Azure region"
  type        = string
  default     = "westeurope"
}

variable "resource_group" {
  description = "Resource group that is made and holds everything"
  type        = string
  default     = "cluster"

  validation {
    # A join string has blanks between its words.
    condition     = can(regex("^[A-Za-z0-9_.-]+$", var.resource_group))
    error_message = "Letters, digits, `_`, `.` and `-` only."
  }
}

variable "nomad_join" {
  description = "How Nomad servers find each other: `consul`, through the Consul client beside each, or `exec`, by querying Azure themselves"
  type        = string
  default     = "consul"

  validation {
    condition     = contains(["consul", "exec"], var.nomad_join)
    error_message = "Either `consul` or `exec`."
  }
}

variable "size" {
  description = "Size of the virtual machines"
  type        = string
  default     = "Standard_B2s"
}

variable "admin_username" {
  description = "Administrator of the virtual machines"
  type        = string
  default     = "operator"
}

variable "admin_public_key" {
  description = "The administrator's public SSH key"
  type        = string
}

variable "discover_package" {
  description = "Where the virtual machines get the Debian package of `discover`, an https URL, and its SHA-256"
  type = object({
    url    = string
    sha256 = string
  })

  validation {
    condition     = startswith(var.discover_package.url, "https://") && can(regex("^[0-9a-f]{64}$", var.discover_package.sha256))
    error_message = "An https URL and 64 hexadecimal digits."
  }
}
