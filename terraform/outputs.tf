output "functions" {
  description = "The functions by what they do: scan, respond, recheck, digest."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}

output "log_groups" {
  description = "The functions' logs."
  value       = { for name, group in aws_cloudwatch_log_group.function : name => group.name }
}

output "bucket" {
  description = "The bucket of policy, backups, audit log and reports."
  value       = aws_s3_bucket.this.bucket
}

output "table" {
  description = "The table of journal, windows and findings."
  value       = aws_dynamodb_table.this.name
}

output "kms_key_arn" {
  description = "The key that everything is encrypted with."
  value       = aws_kms_key.this.arn
}

output "topics" {
  description = "The topics to subscribe to: critical, findings, operations."
  value       = { for name, topic in aws_sns_topic.this : name => topic.arn }
}

output "queues" {
  description = "The queues by URL: events, rechecks, and what could not be handled in dead and undelivered."
  value = {
    events      = aws_sqs_queue.events.url
    rechecks    = aws_sqs_queue.rechecks.url
    dead        = aws_sqs_queue.dead.url
    undelivered = aws_sqs_queue.undelivered.url
  }
}

output "parameters" {
  description = "The parameters that people change: log_level, and paused, which `sg-compliance pause` sets."
  value = {
    log_level = aws_ssm_parameter.log_level.name
    paused    = aws_ssm_parameter.paused.name
  }
}

output "dashboard_url" {
  description = "The dashboard in the console."
  value       = "https://${var.aws_region}.console.aws.amazon.com/cloudwatch/home?region=${var.aws_region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "command_options" {
  description = "What commands that look at this deployment's state need: sg-compliance backups list OPTIONS."
  value = join(" ", [
    "--state s3://${aws_s3_bucket.this.bucket}/${local.state_prefix}",
    "--table ${aws_dynamodb_table.this.name}",
  ])
}

output "changing_options" {
  description = "What commands that change something need in their place: sg-compliance pause, resume, rollback, unblock, apply."
  value = join(" ", [
    "--state s3://${aws_s3_bucket.this.bucket}/${local.state_prefix}",
    "--table ${aws_dynamodb_table.this.name}",
    "--kms-key ${aws_kms_key.this.arn}",
    "--pause-parameter ${aws_ssm_parameter.paused.name}",
    "--topic ${aws_sns_topic.this["operations"].arn}",
  ])
}

output "member_account" {
  description = "What modules/member-account takes as `central`, and the parameters of cloudformation/member-account.yaml."
  value = {
    name_prefix     = local.prefix
    account_id      = local.account
    external_id     = var.external_id
    organization_id = var.organization_id
    event_bus_arn   = aws_cloudwatch_event_bus.central.arn
    scanners        = [for name in ["scan", "respond", "recheck"] : aws_iam_role.function[name].arn]
    remediators     = [for name in ["scan", "respond", "recheck"] : aws_iam_role.function[name].arn]
    containers      = [for name in ["respond", "recheck", "digest"] : aws_iam_role.function[name].arn]
  }
}
