output "roles" {
  description = "The roles that the central deployment assumes here: scan, and where they are allowed remediate and contain."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}
