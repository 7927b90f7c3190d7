# What could not be handled, kept for as long as SQS keeps anything. An alarm watches both.

locals {
  kept_longest_seconds = 14 * 24 * 3600
}

# Messages that can never be handled, with the reason beside them, and those that failed too often, without.
resource "aws_sqs_queue" "dead" {
  name                      = "${local.prefix}-dead"
  message_retention_seconds = local.kept_longest_seconds
  kms_master_key_id         = aws_kms_key.this.arn
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn, aws_sqs_queue.rechecks.arn]
  })
}

# What EventBridge could not deliver to a function or a queue.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${local.prefix}-undelivered"
  message_retention_seconds = local.kept_longest_seconds
  kms_master_key_id         = aws_kms_key.this.arn
}
