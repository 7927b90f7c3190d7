# The functions' logs: lines of JSON, and the figures, which CloudWatch reads from them.

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${local.prefix}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = {
    violations = "fields @timestamp, account_id, region, group_id, group_name, rule_id, severity | filter message = \"COMPLIANCE_VIOLATION\" | sort @timestamp desc"
    failures   = "fields @timestamp, function_name, message, hint | filter level = \"ERROR\" or level = \"CRITICAL\" | sort @timestamp desc"
  }

  name            = "${local.prefix}/${each.key}"
  log_group_names = [for group in aws_cloudwatch_log_group.function : group.name]
  query_string    = each.value
}
