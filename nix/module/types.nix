# Types and options that several parts have.
{ lib, pkgs }:

let
  inherit (lib) types;
  toml = pkgs.formats.toml { };
in
rec {
  # Secrets come to a daemon by LoadCredential. A path literal would be copied into the store, for everybody to read.
  secretFile =
    example: description:
    lib.mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      inherit example;
      description = ''
        ${description} It is a path outside of the Nix store, as a string; systemd reads it as root when the service
        starts, and the daemon sees a copy of its own.
      '';
    };

  # Certificates are no secrets: they may lie in the store.
  certificateFile =
    description:
    lib.mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/var/lib/acme/hub.example.org/fullchain.pem";
      inherit description;
    };

  keyFile = secretFile "/var/lib/acme/hub.example.org/key.pem" "PEM file of the key to the certificate.";

  settings =
    daemon: example:
    lib.mkOption {
      type = types.submodule { freeformType = toml.type; };
      default = { };
      inherit example;
      description = ''
        What else ${daemon} is told, by the names of the README's table of settings in lower case and without the
        daemon's prefix. It comes before what the other options say. A name that does not exist, or a value that is not
        good, is an error while the system is built.
      '';
    };

  listenAddress =
    { openFirewall, enableIPv6 }:
    lib.mkOption {
      type = types.strMatching "[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*" // {
        description = "IPv4 or IPv6 address, without brackets";
      };
      default =
        if !openFirewall then
          "127.0.0.1"
        else if enableIPv6 then
          "::"
        else
          "0.0.0.0";
      defaultText = lib.literalExpression ''if openFirewall then "::" else "127.0.0.1"'';
      example = "192.0.2.7";
      description = ''
        The address that systemd listens on, besides the loopback one: all of this machine's if the firewall is opened,
        else none.
      '';
    };

  port =
    default:
    lib.mkOption {
      type = types.ints.between 1 65535;
      inherit default;
      description = "The TCP port that systemd listens on.";
    };

  openFirewall =
    who:
    lib.mkOption {
      type = types.bool;
      default = false;
      description = "Whether to listen on all addresses, and to let ${who} through the firewall.";
    };
}
