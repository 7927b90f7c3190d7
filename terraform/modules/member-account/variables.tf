variable "central" {
  description = "The output member_account of the central deployment: who may come in, and where events go."
  type = object({
    name_prefix     = string
    account_id      = string
    external_id     = string
    organization_id = string
    event_bus_arn   = string
    scanners        = list(string)
    remediators     = list(string)
    containers      = list(string)
  })

  validation {
    condition     = length(var.central.external_id) >= 16
    error_message = "central: expected an external_id of 16 characters at least; set it in the central deployment."
  }
}

variable "regions" {
  description = "The regions whose changes are sent to the central deployment in real time. Each must be enabled here. Empty: none."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.regions : can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", each))])
    error_message = "regions: expected names of regions, such as eu-west-1."
  }
}

variable "allow_remediation" {
  description = "Make the role that changes security groups. Without it nothing can be changed here, whatever the central deployment says."
  type        = bool
  default     = false
}

variable "allow_containment" {
  description = "Make the role that blocks users and roles. Guard it as an administrator's: docs/permissions.md."
  type        = bool
  default     = false
}

variable "change_protected_groups" {
  description = "Let groups that are tagged sg-compliance:protect=true be changed after `sg-compliance unprotect`. Else IAM denies it."
  type        = bool
  default     = false
}

variable "break_glass_principals" {
  description = "Names of users and roles here that IAM denies to be blocked, with * and ?."
  type        = list(string)
  default     = ["break-glass*"]

  validation {
    condition     = alltrue([for each in var.break_glass_principals : can(regex("^[a-zA-Z0-9_+=.@*?-]*[a-zA-Z0-9][a-zA-Z0-9_+=.@*?-]*$", each))])
    error_message = "break_glass_principals: expected names of users and roles, not ARNs."
  }
}

variable "operator_role_arns" {
  description = "Roles of people who may assume these roles too, for the command: with the external id, and the deployment's session name; any other session of these roles is told as a stranger's."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.operator_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", each))])
    error_message = "operator_role_arns: expected ARNs of roles, without * and ?."
  }
}

variable "permissions_boundary" {
  description = "The ARN of a permissions boundary for every role that is made here."
  type        = string
  default     = null
}
