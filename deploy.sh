#!/usr/bin/env bash
# Puts sg-compliance into an AWS account with Terraform, plans first, and takes it away again. ./deploy.sh --help says how.
# Runs on bash 3.2, which macOS has.
set -euo pipefail
export CDPATH=''

readonly COULD_NOT=2 DECLINED=1
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
readonly here terraform_folder="$here/terraform"

usage() {
  cat <<'HELP'
Usage: ./deploy.sh [OPTIONS]

Builds the functions' package, plans with Terraform, shows the plan, asks, and applies exactly that plan.

  --dry-run              plan only: nothing is changed in AWS
  --environment NAME     the deployment's name: dev, prod … [default: what terraform.tfvars says, else dev]
  --region REGION        where the functions are [default: where they are, else what the tfvars say, else us-east-1]
  --auto-approve         do not ask
  --destroy              take the environment away; asks for its name first
  -h, --help             this

Settings are read from terraform/terraform.tfvars and then from terraform/NAME.tfvars, where they are there. Copy
terraform/terraform.tfvars.example to begin. Each environment has a state of its own, in the Terraform workspace of its
name: on this machine, or in the backend that a terraform/backend.tf of yours names. The plan itself is not kept.

An environment stays in its account and its region: with credentials of another account, or another --region, nothing is
done. Credentials are those that the AWS CLI finds: AWS_PROFILE, aws sso login, the environment.

Exit status: 0 done, or nothing to do; 1 not confirmed; 2 it could not be done, or not all of it; 130 interrupted.

Examples:
  ./deploy.sh --dry-run
  ./deploy.sh --environment dev --region us-east-1
  ./deploy.sh --environment prod --region us-west-2 --auto-approve
  ./deploy.sh --environment dev --destroy
HELP
}

say() { printf '==> %s\n' "$*" >&2; }

fail() { # MESSAGE [NEXT_STEP]
  printf 'error: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf 'help: %s\n' "$2" >&2
  exit "$COULD_NOT"
}

# ---- What is asked for ----

environment='' region='' dry_run=false auto_approve=false destroy=false

value_of() { # OPTION VALUE
  case ${2:-} in
    '' | -*) fail "$1 needs a value" "./deploy.sh --help" ;;
  esac
  printf '%s' "$2"
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --environment) environment=$(value_of "$1" "${2:-}"); shift ;;
      --environment=*) environment=$(value_of --environment "${1#*=}") ;;
      --region) region=$(value_of "$1" "${2:-}"); shift ;;
      --region=*) region=$(value_of --region "${1#*=}") ;;
      --dry-run) dry_run=true ;;
      --auto-approve) auto_approve=true ;;
      --destroy) destroy=true ;;
      -h | --help) usage; exit 0 ;;
      *) fail "there is no option ${1//[^[:print:]]/?}" "./deploy.sh --help lists them" ;;
    esac
    shift
  done
}

# Terraform's own order: the last one counts. Values in these files are literals, so a line is a value.
set_by_user() { # VARIABLE
  local file found='' line
  line=$(printenv "TF_VAR_$1") && found=$line
  for file in "$terraform_folder/terraform.tfvars" "$terraform_folder"/*.auto.tfvars "${environment_file:-}"; do
    [ -f "$file" ] || continue
    line=$(sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*\"\([^\"]*\)\".*/\1/p" "$file" | tail -n 1)
    [ -z "$line" ] || found=$line
  done
  printf '%s' "$found"
}

settle() {
  local LC_ALL=C # else [a-z] may hold capitals
  [ -n "$environment" ] || environment=$(set_by_user environment)
  environment=${environment:-dev}
  local name='^[a-z][a-z0-9-]{0,14}[a-z0-9]$' place='^[a-z]{2,}(-[a-z]+)+-[0-9]+$'
  [[ $environment =~ $name ]] || fail "${environment//[^[:print:]]/?} is the name of no environment" \
    "2 to 16 lower-case letters, digits and dashes, a letter first: --environment dev"
  [ -z "$region" ] || [[ $region =~ $place ]] || fail "${region//[^[:print:]]/?} is the name of no region" \
    "write it like --region eu-west-1"
  environment_file="$terraform_folder/$environment.tfvars"
  architecture=$(set_by_user lambda_architecture)
  architecture=${architecture:-arm64}
}

# ---- What is needed ----

require_tools() {
  local missing=false
  tool terraform "https://developer.hashicorp.com/terraform/install, or brew install hashicorp/tap/terraform (1.9 or newer)"
  tool aws "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html, or brew install awscli"
  tool python3 "apt install python3 python3-venv, dnf install python3.12, or brew install python (3.11 or newer)"
  tool make "apt install make, dnf install make, or xcode-select --install"
  [ "$missing" = false ] || exit "$COULD_NOT"
}

tool() { # NAME HOW_TO_GET_IT
  command -v "$1" >/dev/null 2>&1 && return
  printf 'error: %s is not installed, or not on the PATH\nhelp: %s\n' "$1" "$2" >&2
  missing=true
}

require_credentials() {
  local who
  if ! who=$(aws sts get-caller-identity --query '[Account, Arn]' --output text 2>"$work/aws"); then
    cat "$work/aws" >&2
    fail "AWS does not know who is asking" "aws sso login, or name a profile: AWS_PROFILE=NAME ./deploy.sh …; aws configure sets one up"
  fi
  account=${who%%[[:space:]]*}
  [[ $account =~ ^[0-9]{12}$ ]] || fail "aws sts get-caller-identity did not answer with an account" "try it yourself"
  say "account $account, as ${who#*[[:space:]]}"
}

# ---- The package ----

package() {
  local zip="$here/dist/sg-compliance-lambda-$architecture.zip" changed
  if [ -n "$(set_by_user lambda_package)" ]; then
    say "package: the one that lambda_package names"
    return
  fi
  if [ -f "$zip" ]; then
    changed=$(cd "$here" && find src config tools/package.py pyproject.toml requirements-lambda.lock \
      -name __pycache__ -prune -o -newer "$zip" -print)
    if [ -z "$changed" ]; then
      say "package: dist/${zip##*/} is as new as the code"
      return
    fi
  fi
  say "package: building dist/${zip##*/}"
  make -C "$here" package LAMBDA_ARCH="$architecture" >&2 || fail "the package could not be built" \
    "the lines above say why; then run the same again"
}

# ---- Terraform ----

in_workspace() {
  TF_WORKSPACE=$environment TF_IN_AUTOMATION=yes terraform -chdir="$terraform_folder" "$@"
}

prepare() {
  say "terraform init"
  terraform -chdir="$terraform_folder" init -input=false -no-color >"$work/init" 2>&1 || {
    cat "$work/init" >&2
    fail "Terraform could not be set up" "the lines above say why; then run the same again"
  }
  say "terraform validate"
  terraform -chdir="$terraform_folder" validate -no-color >"$work/validate" 2>&1 || {
    cat "$work/validate" >&2
    fail "the configuration in terraform/ is not valid" "mend what the lines above name"
  }
}

# The same state with other credentials, or another region, would be made anew there and be lost here.
stay_in_place() {
  local key stands_in_account stands_in_region
  key=$(in_workspace output -raw kms_key_arn 2>/dev/null) || key=''
  [[ $key =~ ^arn:[a-z-]+:kms:([a-z0-9-]+):([0-9]{12}):key/ ]] || return 0
  stands_in_region=${BASH_REMATCH[1]} stands_in_account=${BASH_REMATCH[2]}
  [ "$account" = "$stands_in_account" ] || fail \
    "$environment is deployed in account $stands_in_account, and these credentials are of $account" \
    "use that account's credentials, or another --environment"
  [ "${region:-$stands_in_region}" = "$stands_in_region" ] || fail \
    "$environment is deployed in $stands_in_region, and cannot move to $region" \
    "use --region $stands_in_region, or another --environment"
  region=$stands_in_region
}

plan() {
  local status=0
  set -- -input=false ${plain:+"-no-color"} -detailed-exitcode -out="$work/plan"
  [ ! -f "$environment_file" ] || set -- "$@" -var-file="$environment_file"
  set -- "$@" -var="environment=$environment" # of these options the last one counts
  [ -z "$region" ] || set -- "$@" -var="aws_region=$region"
  [ "$destroy" = false ] || set -- -destroy "$@"
  say "terraform plan: $environment${region:+ in $region}"
  in_workspace plan "$@" || status=$?
  case $status in
    0) changes=false ;;
    2) changes=true ;;
    *) fail "Terraform could not plan: nothing was changed" "mend what the lines above name, then run the same again" ;;
  esac
}

confirm() {
  local wanted=yes answer=''
  [ "$destroy" = false ] || wanted=$environment
  if [ "$destroy" = true ]; then
    printf '%s in account %s is taken away, with its backups, journal and audit log.\nType its name to go on: ' \
      "$environment" "$account" >&2
  else
    printf 'Apply this plan to %s in account %s? Type yes to go on: ' "$environment" "$account" >&2
  fi
  if ! IFS= read -r answer <&3; then
    printf '\n' >&2
    fail "nobody is there to answer: nothing was changed" "run it in a terminal, or with --auto-approve"
  fi
  [ "$answer" = "$wanted" ] && return
  say "not confirmed: nothing was changed"
  exit "$DECLINED"
}

apply() {
  applying=true
  say "terraform apply"
  in_workspace apply -input=false ${plain:+"-no-color"} "$work/plan" && { applying=false; return; }
  if [ "$destroy" = true ]; then
    fail "$environment could not be taken away, or not all of it" \
      "what must not be lost is protected: set deletion_protection = false, deploy, then run this again (terraform/README.md)"
  fi
  fail "Terraform could not do it, or not all of it" "mend what the lines above name, then run the same again: it goes on from there"
}

# ---- What comes next ----

next_steps() {
  local mail project key dashboard options
  mail=$(set_by_user notification_email)
  project=$(set_by_user project_name)
  key=$(in_workspace output -raw kms_key_arn 2>/dev/null) || key=''
  [[ $key =~ ^arn:[a-z-]+:kms:([a-z0-9-]+): ]] && region=${BASH_REMATCH[1]}
  dashboard=$(in_workspace output -raw dashboard_url 2>/dev/null) || dashboard='terraform output dashboard_url'
  options=$(in_workspace output -raw command_options 2>/dev/null) || options='OPTIONS'
  printf '\n%s is deployed in account %s%s. What comes next:\n\n' "$environment" "$account" "${region:+, $region}"
  if [ -n "$mail" ]; then
    printf '1. Confirm the subscriptions: %s gets a mail for each topic, and nothing more until its link is opened.\n' "$mail"
  else
    printf '1. Nobody is told yet: set notification_email in the tfvars, or subscribe to the topics yourself.\n'
  fi
  cat <<NEXT
2. Begin a scan, which changes nothing:
   aws events put-events${region:+ --region $region} --entries 'Source=custom.security.compliance,DetailType="Manual Compliance Scan",Detail="{\\"scan_type\\":\\"manual\\",\\"dry_run\\":true}"'
3. Look at its log, and at the dashboard:
   aws logs tail /aws/lambda/${project:-sg-compliance}-$environment-scan --follow${region:+ --region $region}
   $dashboard
4. Work on what it keeps, from here:
   sg-compliance backups list $options
5. Other accounts need roles: terraform/modules/member-account, or by hand (docs/permissions.md):
   TF_WORKSPACE=$environment terraform -chdir=terraform output member_account
NEXT
}

# ---- The road ----

applying=false plain=''
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then plain=yes; fi

interrupted() {
  if [ "$applying" = true ]; then
    say "interrupted while it was applied: run the same again, it goes on from there"
  else
    say "interrupted: nothing was changed"
  fi
  exit 130
}

main() {
  read_options "$@"
  [ -f "$terraform_folder/main.tf" ] || fail "$terraform_folder/main.tf is not there" "run deploy.sh of a whole copy of the repository"
  settle
  require_tools
  { exec 3<&0; } 2>/dev/null || exec 3</dev/null # it may be closed
  exec </dev/null                                # the answer is for us alone
  work=$(mktemp -d "${TMPDIR:-/tmp}/sg-compliance.XXXXXX")
  trap 'rm -rf -- "$work"' EXIT
  trap interrupted INT TERM
  require_credentials
  package
  prepare
  stay_in_place
  plan
  if [ "$changes" = false ]; then
    say "nothing to change"
    exit 0
  elif [ "$dry_run" = true ]; then
    say "dry run: nothing was changed"
    exit 0
  fi
  [ "$auto_approve" = true ] || confirm
  apply
  if [ "$destroy" = true ]; then
    say "$environment is gone"
  else
    next_steps
  fi
}

main "$@"
