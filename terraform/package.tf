# The zips that `make package` builds, and what each has to be built from.
locals {
  checkout = "${path.module}/.."

  # By function, as in infra/package.py: the folders of its sources. Its pins have its name.
  function_sources = {
    function = ["lambda/ride_scoring"]
  }
  package_inputs = {
    for name, folders in local.function_sources : name =>
    concat(sort(flatten([for folder in folders : tolist(fileset(local.checkout, "${folder}/**/*.py"))])), ["infra/requirements/${name}.txt"])
  }

  # infra/package.py makes the same digest, and writes it down beside the zip.
  packages = {
    for name, files in local.package_inputs : name => {
      path           = "${local.checkout}/build/${name}-${var.architecture}.zip"
      sources_sha256 = sha256(join("", [for file in files : "${filesha256("${local.checkout}/${file}")} ${file}\n"]))
    }
  }
}
