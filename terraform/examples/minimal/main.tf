# The account that this is deployed in is scanned once a day. Nothing is changed.

module "sg_compliance" {
  source = "../.."

  environment        = "dev"
  aws_region         = "eu-west-1"
  notification_email = "security-team@example.com"
}

output "log_groups" {
  value = module.sg_compliance.log_groups
}
