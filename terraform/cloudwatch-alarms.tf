# Alarms on the figures that the functions publish (model/metric.py), and on AWS's own of what they run on. `told` is the
# topic; where it is `operations`, people also hear when it is over. And the dashboard.

locals {
  # Figures have the dimension environment alone, and others beside it: alarms take the first (docs/realtime.md, Figures).
  figure_alarms = {
    violations = {
      metric    = "ComplianceViolations"
      statistic = "Sum"
      threshold = 10
      period    = 900
      missing   = "ignore" # stands until the next scan
      told      = "findings"
      says      = "More than 10 open findings in the last scan."
    }
    mass-operations = {
      metric    = "MassOperationsDetected"
      statistic = "Sum"
      threshold = 0
      period    = 300
      missing   = "notBreaching"
      told      = "critical"
      says      = "A principal changed more security groups than the policy lets pass. The message of the function says who."
    }
    blocked = {
      metric    = "PrincipalsBlocked"
      statistic = "Sum"
      threshold = 0
      period    = 300
      missing   = "notBreaching"
      told      = "critical"
      says      = "A user or a role was blocked. To undo it: sg-compliance blocks list, sg-compliance unblock."
    }
    emergencies = {
      metric    = "EmergencyRemediationsPerformed"
      statistic = "Sum"
      threshold = 0
      period    = 300
      missing   = "notBreaching"
      told      = "critical"
      says      = "A security group was locked down at once. To undo it: sg-compliance backups list, sg-compliance rollback."
    }
    errors = {
      metric    = "LambdaErrors"
      statistic = "Sum"
      threshold = 0
      period    = 300
      missing   = "notBreaching"
      told      = "operations"
      says      = "Something failed: the function's log says what, in a line of the level ERROR."
    }
    accounts-failed = {
      metric    = "AccountsFailed"
      statistic = "Maximum"
      threshold = 0
      period    = 900
      missing   = "ignore"
      told      = "operations"
      says      = "Accounts could not be read to the end: the scan's log says which, and why."
    }
    scan-duration = {
      metric    = "ScanDuration"
      statistic = "Maximum"
      threshold = 600
      period    = 900
      missing   = "ignore"
      told      = "operations"
      says      = "The last scan took more than 10 minutes. Lambda ends it after 15: name fewer regions, or scan in two deployments."
    }
  }

  # Of AWS's own. A function that is killed publishes no figure of ours: hence Errors beside LambdaErrors.
  aws_alarms = merge(
    {
      for name in keys(local.functions) : "${name}-fails" => {
        namespace  = "AWS/Lambda"
        metric     = "Errors"
        dimensions = { FunctionName = "${local.prefix}-${name}" }
        statistic  = "Sum"
        threshold  = 0
        says       = "An invocation of ${local.prefix}-${name} failed, or was killed: out of time, or out of memory."
      }
    },
    {
      for name in keys(local.functions) : "${name}-throttled" => {
        namespace  = "AWS/Lambda"
        metric     = "Throttles"
        dimensions = { FunctionName = "${local.prefix}-${name}" }
        statistic  = "Sum"
        threshold  = 10
        says       = "Lambda had no room for ${local.prefix}-${name}: raise its concurrency, or the account's."
      }
    },
    {
      for name in ["dead", "undelivered"] : "${name}-letters" => {
        namespace  = "AWS/SQS"
        metric     = "ApproximateNumberOfMessagesVisible"
        dimensions = { QueueName = "${local.prefix}-${name}" }
        statistic  = "Maximum"
        threshold  = 0
        says       = "There are messages in ${local.prefix}-${name}. Look at them, with the reason beside them, before you send them again."
      }
    },
    {
      events-wait = {
        namespace  = "AWS/SQS"
        metric     = "ApproximateAgeOfOldestMessage"
        dimensions = { QueueName = "${local.prefix}-events" }
        statistic  = "Maximum"
        threshold  = 900
        says       = "An event has waited for more than 15 minutes: respond fails, or cannot keep up."
      }
    },
  )

  # No scan in two periods of the schedule. An alarm sees seven days at most (CloudWatch API reference, PutMetricAlarm):
  # where scans are further apart there is none. Of cron() it is not known how far: two days then.
  rate             = try(regex("^rate\\(([0-9]+) (minute|hour|day)", var.compliance_schedule), ["24", "hour"])
  hours_between    = ceil(tonumber(local.rate[0]) * { minute = 1 / 60, hour = 1, day = 24 }[local.rate[1]])
  hours_of_silence = max(2, 2 * local.hours_between)
  silence_is_heard = local.hours_of_silence <= 168
}

resource "aws_cloudwatch_metric_alarm" "figure" {
  for_each = local.figure_alarms

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = each.value.says
  namespace           = local.figures
  metric_name         = each.value.metric
  dimensions          = local.figures_of_ours
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = 1
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this[each.value.told].arn]
  ok_actions          = each.value.told == "operations" ? [aws_sns_topic.this["operations"].arn] : []
}

resource "aws_cloudwatch_metric_alarm" "aws" {
  for_each = local.aws_alarms

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this["operations"].arn]
  ok_actions          = [aws_sns_topic.this["operations"].arn]
}

resource "aws_cloudwatch_metric_alarm" "no_scan" {
  count = local.silence_is_heard ? 1 : 0

  alarm_name          = "${local.prefix}-no-scan"
  alarm_description   = "No whole scan has ended for ${local.hours_of_silence} hours, which is two periods of the schedule."
  namespace           = local.figures
  metric_name         = "ScanDuration"
  dimensions          = local.figures_of_ours
  statistic           = "SampleCount"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 3600
  evaluation_periods  = local.hours_of_silence
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.this["operations"].arn]
  ok_actions          = [aws_sns_topic.this["operations"].arn]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.prefix
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    region      = var.aws_region
    figures     = local.figures
    environment = var.environment
    prefix      = local.prefix
    functions   = keys(local.functions)
    alarms = concat(
      [for alarm in aws_cloudwatch_metric_alarm.figure : alarm.arn],
      [for alarm in aws_cloudwatch_metric_alarm.aws : alarm.arn],
      [for alarm in aws_cloudwatch_metric_alarm.no_scan : alarm.arn],
    )
  })
}
