# systemd listens, from the start and through a switch: who connects starts a daemon, and none binds a port itself.
{
  name = "sysmonstm-socket-activation";

  nodes.hub = {
    virtualisation.memorySize = 2048;
    system.switch.enable = true;
    services.sysmonstm.hub.enable = true;
    specialisation.elsewhere.configuration.services.sysmonstm.gateway.port = 8001;
    specialisation.talkative.configuration.services.sysmonstm.gateway.settings.log_level = "DEBUG";
  };

  testScript = ''
    def pid():
        return hub.succeed("systemctl show --value --property MainPID sysmon-gatewayd").strip()


    hub.wait_for_unit("sysmon-gatewayd.service")
    hub.wait_for_open_port(8000)

    with subtest("the ports are systemd's"):
        listening = hub.succeed("ss --listening --tcp --numeric --processes")
        for port in (8000, 50051):
            (line,) = [line for line in listening.splitlines() if f"127.0.0.1:{port} " in line]
            assert '"systemd",pid=1' in line, line

    with subtest("who connects starts the daemon"):
        hub.succeed("systemctl stop sysmon-gatewayd.service")
        hub.succeed("curl --fail --silent http://127.0.0.1:8000/health")
        hub.require_unit_state("sysmon-gatewayd.service", "active")

    with subtest("other settings are taken by a reload"):
        before = pid()
        hub.succeed("/run/current-system/specialisation/talkative/bin/switch-to-configuration test")
        hub.wait_until_succeeds("journalctl --unit sysmon-gatewayd --output cat --grep reload.done", timeout=30)
        assert pid() == before

    with subtest("another port is listened on after a switch"):
        hub.succeed("/run/booted-system/specialisation/elsewhere/bin/switch-to-configuration test")
        hub.wait_until_succeeds("curl --fail --silent http://127.0.0.1:8001/health", timeout=30)
        hub.fail("curl --fail --silent http://127.0.0.1:8000/health")
  '';
}
