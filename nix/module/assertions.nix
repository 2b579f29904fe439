# Mistakes that are possible in several parts, each said with what mends it. A function of
#
#   part     "gateway"
#   own      the part's options
#   instead  settings that are not for a system that systemd runs, and the options that are: what the file would say in
#            vain, or what could not be checked while the system is built
{ lib }:

{
  part,
  own,
  instead,
}:

let
  name = "services.sysmonstm.${part}";
in
[
  {
    assertion = (own.tls.certificateFile == null) == (own.tls.keyFile == null);
    message = ''
      ${name}.tls.certificateFile and ${name}.tls.keyFile belong together: set both, or neither.
    '';
  }
]
++ lib.mapAttrsToList (setting: option: {
  assertion = !(own.settings ? ${setting});
  message = ''
    ${name}.settings.${setting} is not for a system that systemd runs; set ${name}.${option} instead.
  '';
}) instead
