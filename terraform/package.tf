# The zip that `make package` builds, and what it has to be built from.
locals {
  checkout = "${path.module}/.."
  sources  = concat(sort(fileset(local.checkout, "lambda/ride_scoring/**/*.py")), ["infra/requirements/function.txt"])

  # infra/package.py makes the same digest, and writes it down beside the zip.
  sources_sha256 = sha256(join("", [for name in local.sources : "${filesha256("${local.checkout}/${name}")} ${name}\n"]))

  # A package that is named was built elsewhere, from what its builder knows.
  package = {
    path           = coalesce(var.package, "${local.checkout}/build/function-${var.architecture}.zip")
    sources_sha256 = var.package == null ? local.sources_sha256 : null
  }
}
