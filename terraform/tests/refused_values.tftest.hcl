# Values that are wrong are refused, each by its own variable, before anything is made. Runs without AWS: terraform test

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  lambda_package = "./versions.tf" # any file will do: nothing is deployed
}

run "every_variable_refuses_what_is_wrong" {
  command = plan

  variables {
    environment                     = "Prod"
    project_name                    = "a-project-with-a-very-long-name"
    aws_region                      = "europe"
    tags                            = { "aws:owner" = "me" }
    target_accounts                 = ["12345"]
    organization_id                 = "organisation"
    watched_regions                 = ["all"]
    external_id                     = "short"
    cross_account_role_names        = ["arn:aws:iam::111122223333:role/audit"]
    policy_file                     = "nowhere.json"
    violation_severity_threshold    = "urgent"
    max_groups_per_hour             = 0
    break_glass_principals          = ["*"]
    max_operations_per_minute       = 0.5
    mass_operations_alert_threshold = 0
    compliance_schedule             = "rate(24 hour)"
    notification_email              = "security-team"
    contacts                        = ["ada, bob"]
    lambda_architecture             = "arm"
    lambda_timeout                  = 60
    lambda_memory_size              = 128
    real_time_timeout               = 5
    real_time_concurrency           = 1
    log_level                       = "TRACE"
    s3_bucket_name                  = "My_Bucket"
    log_retention_days              = 100
    object_lock_days                = -1
    object_lock_mode                = "FOREVER"
    kms_key_deletion_window         = 1
    operator_role_arns              = ["arn:aws:iam::111122223333:user/ada"]
    permissions_boundary            = "boundary"
    immediate_remediation_enabled   = true
    block_suspicious_users          = true
  }

  expect_failures = [
    var.environment,
    var.project_name,
    var.aws_region,
    var.tags,
    var.target_accounts,
    var.organization_id,
    var.watched_regions,
    var.external_id,
    var.cross_account_role_names,
    var.policy_file,
    var.violation_severity_threshold,
    var.max_groups_per_hour,
    var.break_glass_principals,
    var.max_operations_per_minute,
    var.mass_operations_alert_threshold,
    var.compliance_schedule,
    var.notification_email,
    var.contacts,
    var.lambda_architecture,
    var.lambda_timeout,
    var.lambda_memory_size,
    var.real_time_timeout,
    var.real_time_concurrency,
    var.log_level,
    var.s3_bucket_name,
    var.log_retention_days,
    var.object_lock_days,
    var.object_lock_mode,
    var.kms_key_deletion_window,
    var.operator_role_arns,
    var.permissions_boundary,
    var.immediate_remediation_enabled,
    var.block_suspicious_users,
  ]
}

run "some_refuse_more_than_one_thing" {
  command = plan

  variables {
    target_accounts           = ["111122223333", "111122223333"]
    compliance_schedule       = "cron(0 3 * * ?)"
    break_glass_principals    = ["arn:aws:sts::111122223333:assumed-role/admin/ada"]
    backup_retention_days     = 30
    tags                      = { for number in range(41) : "tag-${number}" => "" }
    max_operations_per_minute = 1000000
  }

  expect_failures = [
    var.target_accounts,
    var.compliance_schedule,
    var.break_glass_principals,
    var.backup_retention_days,
    var.tags,
    var.max_operations_per_minute,
  ]
}

run "more_accounts_than_the_variables_of_a_function_hold" {
  command = plan

  variables {
    target_accounts = [for number in range(101) : format("%012d", number)]
  }

  expect_failures = [
    var.target_accounts,
  ]
}

run "accounts_or_the_organisation" {
  command = plan

  variables {
    target_accounts       = ["222233334444"]
    organization_wide     = true
    organization_id       = "o-a1b2c3d4e5"
    backup_retention_days = 200
    object_lock_days      = 365
  }

  expect_failures = [
    var.organization_wide,
    var.backup_retention_days,
  ]
}

run "the_organisation_without_its_id" {
  command = plan

  variables {
    organization_wide = true
  }

  expect_failures = [
    var.organization_wide,
  ]
}

run "other_accounts_without_an_external_id" {
  command = plan

  variables {
    target_accounts = ["222233334444"]
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_package_that_is_not_built" {
  command = plan

  variables {
    lambda_package = "nowhere.zip"
  }

  expect_failures = [aws_lambda_function.this]
}
