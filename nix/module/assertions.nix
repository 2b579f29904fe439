# Mistakes that are possible in several parts, each said with what mends it. { part, own }: "gateway" and its options.
{ lib }:

{ part, own }:

let
  name = "services.sysmonstm.${part}";
in
{
  # A certificate and its key come together.
  identity = {
    assertion = (own.tls.certificateFile == null) == (own.tls.keyFile == null);
    message = ''
      ${name}.tls.certificateFile and ${name}.tls.keyFile belong together: set both, or neither.
    '';
  };

  # { setting, option }: what a settings file would say in vain, or what could not be checked while the system is built.
  otherwise =
    { setting, option }:
    {
      assertion = !(own.settings ? ${setting});
      message = ''
        ${name}.settings.${setting} is not for a system that systemd runs; set ${name}.${option} instead.
      '';
    };
}
