# A switch is an event with the old and the new generation, and tells whether the machine needs a reboot.
{
  name = "sysmonstm-deployment";

  nodes.hub =
    { lib, ... }:
    {
      virtualisation.memorySize = 2048;
      system.switch.enable = true;
      system.configurationRevision = "0123456789abcdef0123456789abcdef01234567";
      services.sysmonstm = {
        hub.enable = true;
        collector.interval = 1;
      };
      specialisation.next.configuration = {
        system.configurationRevision = lib.mkForce "fedcba9876543210fedcba9876543210fedcba98";
      };
      specialisation.last.configuration = {
        environment.etc."last".text = "another system";
      };
    };

  testScript = ''
    import json


    def ask(path):
        return json.loads(hub.succeed(f"curl --fail --silent 'http://127.0.0.1:8000/api/{path}'"))


    def facts():
        return {one["machine"]: one["facts"] for one in ask("machines")["machines"]}["hub"]


    def activations():
        return [one for one in ask("events?machine=hub")["events"] if one["kind"] == "system.activated"]


    hub.wait_for_unit("sysmon-gatewayd.service")
    # As nixos-rebuild leaves it.
    first = hub.succeed("readlink --canonicalize /run/current-system").strip()
    hub.succeed("mkdir --parents /nix/var/nix/profiles")
    hub.succeed(f"ln --symbolic {first} /nix/var/nix/profiles/system-41-link")
    hub.succeed("ln --symbolic --no-dereference system-41-link /nix/var/nix/profiles/system")
    hub.succeed("systemctl restart sysmon-collectord")
    hub.wait_until_succeeds("curl --fail --silent http://127.0.0.1:8000/api/machines | grep --quiet generation", timeout=60)

    with subtest("what runs is known, and nothing has been activated since"):
        assert facts()["generation"] == "41"
        assert facts()["system"] == first
        assert facts()["revision"].startswith("0123456")
        assert activations() == []

    second = hub.succeed(f"readlink --canonicalize {first}/specialisation/next").strip()
    hub.succeed(f"{second}/bin/switch-to-configuration test")

    with subtest("the switch is an event, with the old system and the new one"):
        with hub.nested("waiting for the event"):
            retry(lambda _: len(activations()) == 1)
        (event,) = activations()
        assert event["fields"]["previous_system"] == first
        assert event["fields"]["system"] == second
        assert event["fields"]["previous_generation"] == event["fields"]["generation"] == "41"
        assert event["fields"]["specialisation"] == "next"
        assert event["fields"]["revision"].startswith("fedcba9")

    with subtest("the same kernel needs no reboot"):
        assert "needs_reboot" not in facts()

    with subtest("a new generation has a number of its own"):
        third = hub.succeed(f"readlink --canonicalize {first}/specialisation/last").strip()
        hub.succeed(f"ln --symbolic {third} /nix/var/nix/profiles/system-42-link")
        hub.succeed("ln --symbolic --force --no-dereference system-42-link /nix/var/nix/profiles/system")
        hub.succeed(f"{third}/bin/switch-to-configuration test")
        with hub.nested("waiting for the event"):
            retry(lambda _: len(activations()) == 2)
        assert activations()[0]["fields"]["generation"] == "42"
        assert activations()[0]["fields"]["previous_generation"] == "41"
  '';
}
