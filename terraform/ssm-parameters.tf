# What people change while it runs. Terraform makes the parameters and leaves their values alone afterwards.

resource "aws_ssm_parameter" "log_level" {
  name            = "/${local.prefix}/config/log-level"
  description     = "The level of the functions' logs: DEBUG, INFO, WARNING or ERROR. Looked at once a minute."
  type            = "SecureString"
  key_id          = aws_kms_key.this.arn
  value           = var.log_level
  allowed_pattern = "^(DEBUG|INFO|WARNING|ERROR)$"

  lifecycle {
    ignore_changes = [value]
  }
}

# A String, for the switch is read as it is, and holds who paused it, until when and why: no secret.
resource "aws_ssm_parameter" "paused" {
  name        = "/${local.prefix}/paused"
  description = "Set by sg-compliance pause and resume: while it is set nothing is changed anywhere."
  type        = "String"
  value       = "{}"

  lifecycle {
    ignore_changes = [value]
  }
}
