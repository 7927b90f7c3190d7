# The four functions, which are one package. What they are called for is in eventbridge-rules.tf and sqs-queues.tf.

locals {
  package = var.lambda_package != null ? var.lambda_package : "${path.module}/../dist/sg-compliance-lambda-${var.lambda_architecture}.zip"
  handler = "sg_compliance.entrypoints.lambda_handler"
  runtime = "python3.12" # the package holds compiled wheels for it: tools/package.py

  # SG_COMPLIANCE_…: bootstrap/settings.py lists them, and refuses any other.
  settings = { for name, value in merge(local.always_set, { for name, value in local.set_if_said : name => value if value != "" }) :
    "SG_COMPLIANCE_${name}" => value
  }

  always_set = {
    STATE                         = "s3://${aws_s3_bucket.this.bucket}/${local.state_prefix}"
    TABLE                         = aws_dynamodb_table.this.name
    TOPIC_CRITICAL                = aws_sns_topic.this["critical"].arn
    TOPIC_FINDINGS                = aws_sns_topic.this["findings"].arn
    TOPIC_OPERATIONS              = aws_sns_topic.this["operations"].arn
    KMS_KEY                       = aws_kms_key.this.arn
    POLICY                        = "s3://${aws_s3_bucket.this.bucket}/${local.policy_key}"
    ORGANIZATION                  = tostring(var.organization_wide)
    SCAN_ROLE_NAME                = local.roles_in_accounts.scan
    CHANGE_ROLE_NAME              = local.roles_in_accounts.remediate
    CONTAIN_ROLE_NAME             = local.roles_in_accounts.contain
    SESSION_NAME                  = local.prefix
    DRY_RUN_MODE                  = tostring(var.dry_run_mode)
    ENABLE_AUTOMATIC_REMEDIATION  = tostring(var.enable_automatic_remediation)
    REAL_TIME_SCANNING_ENABLED    = tostring(var.real_time_scanning_enabled)
    IMMEDIATE_REMEDIATION_ENABLED = tostring(var.immediate_remediation_enabled)
    BLOCK_SUSPICIOUS_USERS        = tostring(var.block_suspicious_users)
    VIOLATION_SEVERITY_THRESHOLD  = var.violation_severity_threshold
    MAX_GROUPS_PER_HOUR           = tostring(var.max_groups_per_hour)
    OWN_ROLES                     = join(",", [for role in aws_iam_role.function : role.name])
    ENVIRONMENT                   = var.environment
    RECHECK_QUEUE_URL             = aws_sqs_queue.rechecks.url
    DEAD_LETTER_QUEUE_URL         = aws_sqs_queue.dead.url
    LOOK_AGAIN_FOR                = "5m"
    LOG_LEVEL_PARAMETER           = aws_ssm_parameter.log_level.name
    PAUSE_PARAMETER               = aws_ssm_parameter.paused.name
  }

  # What is left out is as the policy says, or as the code has it.
  set_if_said = {
    ACCOUNTS                        = join(",", var.target_accounts)
    REGIONS                         = join(",", var.watched_regions)
    EXTERNAL_ID                     = var.external_id
    MAX_OPERATIONS_PER_MINUTE       = var.max_operations_per_minute == null ? "" : tostring(var.max_operations_per_minute)
    MASS_OPERATIONS_ALERT_THRESHOLD = var.mass_operations_alert_threshold == null ? "" : tostring(var.mass_operations_alert_threshold)
    BREAK_GLASS                     = join(",", var.break_glass_principals)
    CONTACTS                        = join(",", var.contacts)
  }
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name                  = "${local.prefix}-${each.key}"
  description                    = each.value.does
  role                           = aws_iam_role.function[each.key].arn
  filename                       = local.package
  source_code_hash               = fileexists(local.package) ? filebase64sha256(local.package) : null
  handler                        = "${local.handler}.${each.key}"
  runtime                        = local.runtime
  architectures                  = [var.lambda_architecture]
  timeout                        = each.value.timeout
  memory_size                    = var.lambda_memory_size
  reserved_concurrent_executions = var.reserve_concurrency ? each.value.concurrency : -1
  kms_key_arn                    = aws_kms_key.this.arn

  environment {
    variables = local.settings
  }

  # Text: the functions write lines of JSON themselves, and figures must stay as they are.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  lifecycle {
    precondition {
      condition     = fileexists(local.package)
      error_message = "There is no package ${local.package}. Build it first: make package LAMBDA_ARCH=${var.lambda_architecture}"
    }
    precondition {
      condition     = !local.watches_others || var.external_id != ""
      error_message = "external_id: expected one where other accounts are watched; make one with: openssl rand -hex 24"
    }
    # Lambda quotas: 4 KB for all variables of a function.
    precondition {
      condition     = sum([for name, value in local.settings : length(name) + length(value)]) <= 4000
      error_message = "The variables of the functions are longer than the 4 KB that Lambda takes. Shorten target_accounts (organization_wide needs no list), break_glass_principals or contacts."
    }
  }

  # Without its rights a function that is called early would fail.
  depends_on = [aws_iam_role_policy.function]
}

# Of what EventBridge calls. A scan is not begun anew by itself: its budget of changes counts for one run.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = { scan = 0, digest = 2 }

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_retry_attempts       = each.value
  maximum_event_age_in_seconds = 3600
}

resource "aws_lambda_event_source_mapping" "this" {
  for_each = { respond = aws_sqs_queue.events.arn, recheck = aws_sqs_queue.rechecks.arn }

  event_source_arn        = each.value
  function_name           = aws_lambda_function.this[each.key].arn
  enabled                 = var.real_time_scanning_enabled
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  # Messages wait in the queue then, and are not counted as tried when Lambda has no room for them.
  scaling_config {
    maximum_concurrency = var.real_time_concurrency
  }
}

resource "aws_lambda_permission" "rule" {
  for_each = local.calls

  statement_id  = "rule-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.value.function].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.call[each.key].arn
}
