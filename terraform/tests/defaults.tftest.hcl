# What a plan of the defaults holds. Runs without AWS: terraform test

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  lambda_package = "./versions.tf" # any file will do: nothing is deployed
}

run "by_default_nothing_is_changed" {
  command = plan

  assert {
    condition     = var.dry_run_mode
    error_message = "dry run has to be on"
  }
  assert {
    condition     = !local.scan_changes && !local.events_change && !local.events_block
    error_message = "nothing may be changed by default"
  }
  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.changes : rule.state == "DISABLED"])
    error_message = "events have to be off by default"
  }
  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && !aws_s3_bucket.this.force_destroy
    error_message = "what is kept has to be protected by default"
  }
  assert {
    condition     = length(aws_cloudtrail.this) == 0
    error_message = "there is a trail in most accounts already"
  }
}

run "dry_run_is_stronger_than_every_other_switch" {
  command = plan

  variables {
    dry_run_mode                  = true
    enable_automatic_remediation  = true
    real_time_scanning_enabled    = true
    immediate_remediation_enabled = true
    block_suspicious_users        = true
  }

  assert {
    condition     = !local.scan_changes && !local.events_change && !local.events_block
    error_message = "in dry run no role may change anything"
  }
}

run "messages_are_hidden_for_six_times_as_long_as_a_batch_may_take" {
  command = plan

  variables {
    real_time_timeout = 120
  }

  assert {
    condition     = aws_sqs_queue.events.visibility_timeout_seconds == 720 && aws_sqs_queue.rechecks.visibility_timeout_seconds == 720
    error_message = "expected 6 x 120 seconds"
  }
}

run "silence_is_heard_after_two_periods" {
  command = plan

  variables {
    compliance_schedule = "rate(6 hours)"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_scan[0].evaluation_periods == 12
    error_message = "expected 12 hours"
  }
}

run "no_alarm_sees_further_than_seven_days" {
  command = plan

  variables {
    compliance_schedule = "rate(7 days)"
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.no_scan) == 0
    error_message = "CloudWatch takes no alarm over more than seven days"
  }
}

run "names_begin_with_project_and_environment" {
  command = plan

  variables {
    project_name = "groups"
    environment  = "prod"
  }

  assert {
    condition     = aws_lambda_function.this["scan"].function_name == "groups-prod-scan" && aws_s3_bucket.this.bucket == "groups-prod-111122223333"
    error_message = "expected groups-prod-…"
  }
}
