# What is left out is as safe as it can be: nothing is changed and nobody is blocked. README.md lists all of them.

# ---- Where, and what it is called ----

variable "environment" {
  description = "The deployment's name: part of every name, a dimension of every figure, and the environment of groups that have no other."
  type        = string
  default     = "dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.environment))
    error_message = "environment: expected 2 to 16 lower-case letters, digits and dashes, a letter first."
  }
}

variable "project_name" {
  description = "The first part of every name."
  type        = string
  default     = "sg-compliance"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.project_name))
    error_message = "project_name: expected 2 to 24 lower-case letters, digits and dashes, a letter first."
  }
}

variable "aws_region" {
  description = "The region that the functions and all they keep are in."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", var.aws_region))
    error_message = "aws_region: expected the name of a region, such as eu-west-1."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256 && !startswith(lower(key), "aws:")])
    error_message = "tags: expected keys of at most 128 characters that do not begin with aws:, and values of at most 256."
  }

  validation {
    condition     = length(var.tags) <= 40
    error_message = "tags: expected at most 40; AWS takes 50, some are set here."
  }
}

# ---- What is watched ----

variable "target_accounts" {
  description = "The accounts that are watched. Empty: the account that this is deployed in, unless organization_wide is set."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.target_accounts : can(regex("^[0-9]{12}$", each))])
    error_message = "target_accounts: expected account ids of 12 digits, in quotes."
  }

  validation {
    condition     = length(distinct(var.target_accounts)) == length(var.target_accounts)
    error_message = "target_accounts: expected each account once."
  }

  validation {
    condition     = length(var.target_accounts) <= 100
    error_message = "target_accounts: expected at most 100, for the variables of a function hold 4 KB. Set organization_wide for more."
  }
}

variable "organization_wide" {
  description = "Watch every account of the organisation, in place of target_accounts. Deploy into the management account or a delegated administrator then."
  type        = bool
  default     = false

  validation {
    condition     = !(var.organization_wide && length(var.target_accounts) > 0)
    error_message = "organization_wide: expected false where target_accounts are listed: either all accounts, or these."
  }

  validation {
    condition     = !var.organization_wide || var.organization_id != ""
    error_message = "organization_wide: expected organization_id beside it, so that no other organisation's accounts get in."
  }
}

variable "organization_id" {
  description = "The organisation's id: only its accounts may send events here, and only their roles are assumed. Empty: accounts are known by their ids alone."
  type        = string
  default     = ""

  validation {
    condition     = var.organization_id == "" || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id: expected an id such as o-a1b2c3d4e5, or nothing."
  }
}

variable "watched_regions" {
  description = "The regions that are scanned, and whose events count. Empty: scans read what the policy says, else all enabled ones, and events come from aws_region only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.watched_regions : can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", each))])
    error_message = "watched_regions: expected names of regions, such as eu-west-1."
  }
}

variable "external_id" {
  description = "The external id that the roles in other accounts ask for. Needed where other accounts are watched. AWS does not treat it as a secret."
  type        = string
  default     = ""

  validation {
    condition     = var.external_id == "" || can(regex("^[a-zA-Z0-9_+=,.@:/-]{16,256}$", var.external_id))
    error_message = "external_id: expected 16 to 256 letters, digits and _+=,.@:/-; make one with: openssl rand -hex 24"
  }
}

variable "cross_account_role_names" {
  description = "Other names of roles that the policy's accounts_config gives for single accounts (cross_account_role_name)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.cross_account_role_names : can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", each))])
    error_message = "cross_account_role_names: expected names of roles, not ARNs, paths or patterns."
  }
}

variable "policy_file" {
  description = "The policy, a JSON file that is put into the bucket. Null: the default policy of this repository."
  type        = string
  default     = null

  validation {
    condition     = var.policy_file == null ? true : can(jsondecode(file(var.policy_file)))
    error_message = "policy_file: expected a file that is there and holds JSON."
  }
}

# ---- What may be changed ----

variable "dry_run_mode" {
  description = "Nothing is changed, and the functions' roles may change nothing."
  type        = bool
  default     = true
}

variable "enable_automatic_remediation" {
  description = "Scans mend what they find, as the policy says. Not in dry run."
  type        = bool
  default     = false
}

variable "violation_severity_threshold" {
  description = "The least severity that is changed by itself."
  type        = string
  default     = "critical"

  validation {
    condition     = contains(["critical", "high", "medium", "low", "info"], var.violation_severity_threshold)
    error_message = "violation_severity_threshold: expected one of critical, high, medium, low, info."
  }
}

variable "max_groups_per_hour" {
  description = "How many groups one scan, or an hour of events, may change."
  type        = number
  default     = 25

  validation {
    condition     = var.max_groups_per_hour >= 1 && var.max_groups_per_hour <= 999999 && floor(var.max_groups_per_hour) == var.max_groups_per_hour
    error_message = "max_groups_per_hour: expected a whole number from 1 to 999999."
  }
}

# ---- Real time ----

variable "real_time_scanning_enabled" {
  description = "Security groups are judged as they are changed. Needs a trail of CloudTrail with management events in every account."
  type        = bool
  default     = false
}

variable "immediate_remediation_enabled" {
  description = "Events are answered with changes, as the policy says. Not in dry run."
  type        = bool
  default     = false

  validation {
    condition     = !var.immediate_remediation_enabled || var.real_time_scanning_enabled
    error_message = "immediate_remediation_enabled: expected real_time_scanning_enabled beside it: without events nothing is answered."
  }
}

variable "block_suspicious_users" {
  description = "Principals that change too much are blocked for an hour, where the policy asks for it too. Not in dry run."
  type        = bool
  default     = false

  validation {
    condition     = !var.block_suspicious_users || var.real_time_scanning_enabled
    error_message = "block_suspicious_users: expected real_time_scanning_enabled beside it: without events nobody is noticed."
  }
}

variable "break_glass_principals" {
  description = "Users and roles that are never blocked: names, user/NAME, role/NAME or ARNs, with * and ?. IAM denies it too, where the functions are."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for each in var.break_glass_principals :
      can(regex("^((user|role)/)?[a-zA-Z0-9_+=.@*?-]{1,64}$", each)) || can(regex("^arn:[a-z-]+:iam::[0-9*?]{1,12}:(user|role)/[^,:\\s]*[a-zA-Z0-9_+=.@*?-]$", each))
    ])
    error_message = "break_glass_principals: expected names, user/NAME, role/NAME, or ARNs such as arn:aws:iam::111122223333:user/NAME."
  }

  validation {
    condition     = alltrue([for each in var.break_glass_principals : can(regex("[a-zA-Z0-9]", each)) && !can(regex("[:/]\\*$", each))])
    error_message = "break_glass_principals: expected somebody: * alone names everybody."
  }
}

variable "max_operations_per_minute" {
  description = "More changes of one principal in a minute are told of. Null: as the policy says (10)."
  type        = number
  default     = null

  validation {
    condition     = var.max_operations_per_minute == null ? true : var.max_operations_per_minute >= 1 && var.max_operations_per_minute <= 999999 && floor(var.max_operations_per_minute) == var.max_operations_per_minute
    error_message = "max_operations_per_minute: expected a whole number from 1 to 999999, or null."
  }
}

variable "mass_operations_alert_threshold" {
  description = "More changes of one principal in an hour are told of. Null: as the policy says (50)."
  type        = number
  default     = null

  validation {
    condition     = var.mass_operations_alert_threshold == null ? true : var.mass_operations_alert_threshold >= 1 && var.mass_operations_alert_threshold <= 999999 && floor(var.mass_operations_alert_threshold) == var.mass_operations_alert_threshold
    error_message = "mass_operations_alert_threshold: expected a whole number from 1 to 999999, or null."
  }
}

variable "enable_cloudtrail" {
  description = "Make a trail of this account, with a bucket of its own. Not needed where an organisation's trail is there already."
  type        = bool
  default     = false
}

# ---- When, and who is told ----

variable "compliance_schedule" {
  description = "When everything is scanned: rate(24 hours), or cron(0 3 * * ? *) in UTC."
  type        = string
  default     = "rate(24 hours)"

  validation {
    condition = can(regex("^rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)$", var.compliance_schedule)) || can(
      regex("^cron\\([^ ()]+( [^ ()]+){5}\\)$", var.compliance_schedule)
    )
    error_message = "compliance_schedule: expected rate(N minutes|hours|days), singular for 1, or cron() with six fields."
  }
}

variable "notification_email" {
  description = "Who gets mail from all topics, once the subscriptions are confirmed. Empty: nobody; subscribe to the topics yourself."
  type        = string
  default     = ""

  validation {
    condition     = var.notification_email == "" || can(regex("^[^@\\s,;<>]+@[^@\\s,;<>]+\\.[^@\\s,;<>]+$", var.notification_email))
    error_message = "notification_email: expected one address, or nothing."
  }
}

variable "contacts" {
  description = "Whom messages name as those to ask. Empty: as the policy says."
  type        = list(string)
  default     = []

  validation {
    condition     = length(join(",", var.contacts)) <= 500 && alltrue([for each in var.contacts : can(regex("^[^,\\x00-\\x1f]+$", each))])
    error_message = "contacts: expected names or addresses without commas and line breaks, 500 characters in all at most."
  }
}

# ---- The functions ----

variable "lambda_package" {
  description = "The zip of the functions. Null: what `make package` writes, dist/sg-compliance-lambda-ARCHITECTURE.zip."
  type        = string
  default     = null
}

variable "lambda_architecture" {
  description = "What the zip was built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.lambda_architecture)
    error_message = "lambda_architecture: expected arm64 or x86_64."
  }
}

variable "lambda_timeout" {
  description = "Seconds that a scan or a digest may take. A scan begins nothing new in its last 90."
  type        = number
  default     = 900

  validation {
    condition     = var.lambda_timeout >= 120 && var.lambda_timeout <= 900 && floor(var.lambda_timeout) == var.lambda_timeout
    error_message = "lambda_timeout: expected whole seconds from 120 to 900: a scan begins nothing new in its last 90."
  }
}

variable "lambda_memory_size" {
  description = "Megabytes of each function. Lambda gives a processor in proportion: 1769 is a whole one."
  type        = number
  default     = 512

  validation {
    condition     = var.lambda_memory_size >= 256 && var.lambda_memory_size <= 10240 && floor(var.lambda_memory_size) == var.lambda_memory_size
    error_message = "lambda_memory_size: expected whole megabytes from 256 to 10240."
  }
}

variable "real_time_timeout" {
  description = "Seconds that a batch of events may take. What failed comes again after six times as long."
  type        = number
  default     = 60

  validation {
    condition     = var.real_time_timeout >= 30 && var.real_time_timeout <= 900 && floor(var.real_time_timeout) == var.real_time_timeout
    error_message = "real_time_timeout: expected whole seconds from 30 to 900."
  }
}

variable "real_time_concurrency" {
  description = "How many batches of events are answered at once."
  type        = number
  default     = 5

  validation {
    condition     = var.real_time_concurrency >= 2 && var.real_time_concurrency <= 1000 && floor(var.real_time_concurrency) == var.real_time_concurrency
    error_message = "real_time_concurrency: expected a whole number from 2 to 1000: fewer than 2 Lambda does not take for a queue."
  }
}

variable "reserve_concurrency" {
  description = "Reserve concurrency for the functions, so that nothing else in the account can starve them. False where the account has too little: a new one has 10."
  type        = bool
  default     = true
}

variable "log_level" {
  description = "The level of the log to begin with. Afterwards the parameter is changed, and Terraform leaves it alone."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level: expected one of DEBUG, INFO, WARNING, ERROR."
  }
}

# ---- What is kept, and for how long ----

variable "s3_bucket_name" {
  description = "The bucket of policy, backups, audit log and reports. Empty: PROJECT-ENVIRONMENT-ACCOUNT."
  type        = string
  default     = ""

  validation {
    condition     = var.s3_bucket_name == "" || can(regex("^[a-z0-9][a-z0-9-]{1,55}[a-z0-9]$", var.s3_bucket_name))
    error_message = "s3_bucket_name: expected 3 to 57 lower-case letters, digits and dashes, or nothing."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: expected a number that CloudWatch Logs takes: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "backup_retention_days" {
  description = "How long backups of groups and reports of scans are kept. 0: for ever. The audit log is kept for ever in any case: it is a chain."
  type        = number
  default     = 400

  validation {
    condition     = var.backup_retention_days == 0 || (var.backup_retention_days >= 120 && floor(var.backup_retention_days) == var.backup_retention_days)
    error_message = "backup_retention_days: expected 0, or whole days from 120 on: after 90 they are moved to cheaper storage."
  }

  validation {
    condition     = var.backup_retention_days == 0 || var.backup_retention_days >= var.object_lock_days
    error_message = "backup_retention_days: expected no less than object_lock_days: what is locked cannot go."
  }
}

variable "object_lock_days" {
  description = "For so long nobody can delete or replace a version in the bucket. 0: no Object Lock. Can be switched on only when the bucket is made."
  type        = number
  default     = 0

  validation {
    condition     = var.object_lock_days >= 0 && var.object_lock_days <= 36500 && floor(var.object_lock_days) == var.object_lock_days
    error_message = "object_lock_days: expected whole days from 0 to 36500."
  }
}

variable "object_lock_mode" {
  description = "GOVERNANCE: who has s3:BypassGovernanceRetention can lift the lock. COMPLIANCE: nobody can, root included."
  type        = string
  default     = "GOVERNANCE"

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.object_lock_mode)
    error_message = "object_lock_mode: expected GOVERNANCE or COMPLIANCE."
  }
}

variable "kms_key_deletion_window" {
  description = "Days for which a key that was deleted can be had back."
  type        = number
  default     = 30

  validation {
    condition     = var.kms_key_deletion_window >= 7 && var.kms_key_deletion_window <= 30 && floor(var.kms_key_deletion_window) == var.kms_key_deletion_window
    error_message = "kms_key_deletion_window: expected whole days from 7 to 30."
  }
}

variable "deletion_protection" {
  description = "The table cannot be deleted, and a bucket that holds something neither. False only for what is to be thrown away."
  type        = bool
  default     = true
}

# ---- Who may do what ----

variable "operator_role_arns" {
  description = "Roles of people who may send messages to the queues again, from the dead letters. Wildcards are taken."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.operator_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", each))])
    error_message = "operator_role_arns: expected ARNs of roles."
  }
}

variable "permissions_boundary" {
  description = "The ARN of a permissions boundary for every role that is made here."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary: expected the ARN of a policy, or null."
  }
}
