# Machines as people configure them, by name. What is right is evaluated and tried; what is wrong must be refused.
{
  right = {
    # As the README has it.
    machine = {
      services.sysmonstm.collector = {
        enable = true;
        aggregatorUrls = [ "hub:50051" ];
      };
    };

    hub = {
      services.sysmonstm = {
        hub.enable = true;
        aggregator.openFirewall = true;
        gateway.openFirewall = true;
        alerts.rules.data-disks = {
          metric = "filesystem.percent";
          instance = "/data*";
          threshold = 70;
        };
      };
    };

    # One machine that watches itself, and nobody reaches from outside.
    alone = {
      services.sysmonstm.hub.enable = true;
    };

    remote = {
      services.sysmonstm = {
        hub.enable = true;
        database.urlFile = "/run/secrets/database";
        redis.urlFile = "/run/secrets/redis";
        alerts.webhookUrlFile = "/run/secrets/webhook";
      };
    };

    # The parts on machines of their own, with addresses that hold no secret.
    gateway-only = {
      services.sysmonstm.gateway = {
        enable = true;
        listenAddress = "2001:db8::7";
        port = 8080;
        allowedHosts = [ "monitor.example.org" ];
        settings = {
          redis_url = "redis://redis.example.org:6379";
          timescale_url = "host=db.example.org user=reader dbname=monitor";
        };
      };
    };

    tls-hub = {
      services.sysmonstm = {
        hub.enable = true;
        aggregator = {
          openFirewall = true;
          tls = {
            certificateFile = "/var/lib/acme/hub/fullchain.pem";
            keyFile = "/var/lib/acme/hub/key.pem";
            clientCaFile = "/etc/ca.pem";
          };
        };
        gateway = {
          openFirewall = true;
          tls = {
            certificateFile = "/var/lib/acme/hub/fullchain.pem";
            keyFile = "/var/lib/acme/hub/key.pem";
          };
        };
      };
    };

    tls-machine = {
      services.sysmonstm.collector = {
        enable = true;
        aggregatorUrls = [ "hub.example.org:50051" ];
        tls = {
          caFile = "/etc/ca.pem";
          certificateFile = "/var/lib/sysmon/web1.pem";
          keyFile = "/var/lib/sysmon/web1.key";
        };
      };
    };

    # Every typed option that has not been said yet.
    options = {
      networking.enableIPv6 = false;
      system.configurationRevision = "0123456789abcdef0123456789abcdef01234567";
      services.postgresql.settings.port = 5433;
      services.sysmonstm = {
        hub.enable = true;
        collector = {
          machineId = "hub-1";
          tags = [
            "hub"
            "rack:4"
          ];
          interval = 2.5;
          tls.caFile = "system";
        };
        aggregator = {
          openFirewall = true;
          port = 50052;
          retention = {
            rawHours = 24;
            minutesDays = 14;
            hoursDays = 365;
            forgetAfterDays = 90;
          };
        };
        gateway = {
          listenAddress = "192.0.2.7";
          port = 8001;
        };
        database.timescaledb = extensions: extensions.timescaledb;
      };
    };

    # What is said among the settings comes before what options say.
    both = {
      services.sysmonstm = {
        hub.enable = true;
        collector.interval = 5;
        collector.settings.collection_interval = 1;
        aggregator.retention.rawHours = 48;
        aggregator.settings.keep_raw_hours = 24;
        gateway.allowedHosts = [ "one.example.org" ];
        gateway.settings.allowed_hosts = [ "two.example.org" ];
      };
    };

    # Parts of a hub can be switched off again.
    without-gateway-and-collector = {
      services.sysmonstm = {
        hub.enable = true;
        gateway.enable = false;
        collector.enable = false;
      };
    };

    # Every setting of the README's table that a module may set, by the name that it has in TOML.
    settings = {
      services.sysmonstm = {
        hub.enable = true;
        collector.settings = {
          log_level = "DEBUG";
          log_format = "text";
          machine_id = "hub-1";
          aggregator_url = [
            "unix:/run/sysmon/aggregatord.sock"
            "other:50051"
          ];
          tags = [ "hub" ];
          collection_interval = 1;
          probe_deadline = 0.5;
          spool_directory = "/var/lib/sysmonstm/collector";
          spool_bytes = 1048576;
          spool_free_bytes = 0;
          cgroups = 50;
          metrics_socket = "/run/sysmon/other.sock";
          metrics_series = 100;
          metrics_expire = 60;
        };
        aggregator.settings = {
          log_level = "WARNING";
          log_format = "text";
          commit_interval = 1;
          window = 16;
          pending_bytes = 33554432;
          machines = 100;
          rollup_interval = 60;
          keep_raw_hours = 24;
          keep_minutes_days = 14;
          keep_hours_days = 365;
          forget_after_days = 90;
        };
        gateway.settings = {
          log_level = "ERROR";
          log_format = "text";
          allowed_hosts = [ "monitor.example.org" ];
          alertd = "unix:/run/sysmon/alertd.sock";
        };
        alerts.settings = {
          log_level = "INFO";
          log_format = "text";
        };
      };
    };
  };

  # Each with a part of what must be said.
  wrong = {
    nobody-to-send-to = {
      config.services.sysmonstm.collector.enable = true;
      says = "Name the hub";
    };
    no-database = {
      config.services.sysmonstm.gateway = {
        enable = true;
        settings.redis_url = "redis://redis.example.org";
      };
      says = "services.sysmonstm.database.urlFile";
    };
    no-redis = {
      config.services.sysmonstm.alerts = {
        enable = true;
        settings.timescale_url = "host=db.example.org dbname=monitor";
      };
      says = "services.sysmonstm.redis.urlFile";
    };
    two-databases = {
      config.services.sysmonstm = {
        hub.enable = true;
        database.createLocally = true;
        database.urlFile = "/run/secrets/database";
      };
      says = "Leave one";
    };
    another-database-beside-the-local-one = {
      config.services.sysmonstm = {
        hub.enable = true;
        aggregator.settings.timescale_url = "host=db.example.org dbname=monitor";
      };
      says = "createLocally = false";
    };
    old-postgresql = {
      config = {
        services.postgresql.package = {
          type = "derivation";
          outPath = "/nix/store/postgresql";
          version = "14.20";
        };
        services.sysmonstm.hub.enable = true;
      };
      says = "PostgreSQL 15 or newer";
    };
    one-port-for-both = {
      config.services.sysmonstm = {
        hub.enable = true;
        gateway.port = 50051;
      };
      says = "are the same";
    };
    open-and-listening-to-nobody = {
      config.services.sysmonstm = {
        hub.enable = true;
        gateway.openFirewall = true;
        gateway.listenAddress = "127.0.0.1";
      };
      says = "services.sysmonstm.gateway.listenAddress";
    };
    rules-where-nobody-evaluates = {
      config.services.sysmonstm = {
        collector.enable = true;
        collector.aggregatorUrls = [ "hub:50051" ];
        alerts.rules.cpu-high.enabled = false;
      };
      says = "say them on the hub";
    };
    two-files-of-rules = {
      config.services.sysmonstm = {
        hub.enable = true;
        alerts.rules.cpu-high.enabled = false;
        alerts.settings.rules_file = "/etc/rules.toml";
      };
      says = "Leave one";
    };
    password-in-the-store = {
      config.services.sysmonstm = {
        hub.enable = true;
        gateway.settings.timescale_url = "postgresql://monitor:monitor@db/monitor";
      };
      says = "has a password";
    };
    redis-password-in-the-store = {
      config.services.sysmonstm = {
        hub.enable = true;
        alerts.settings.redis_url = "redis://:secret@redis:6379";
      };
      says = "has a password";
    };
    webhook-in-the-store = {
      config.services.sysmonstm = {
        hub.enable = true;
        alerts.settings.webhook_url = "https://chat.example.org/secret";
      };
      says = "webhookUrlFile";
    };
    clients-without-tls = {
      config.services.sysmonstm = {
        hub.enable = true;
        aggregator.tls.clientCaFile = "/etc/ca.pem";
      };
      says = "certificateFile and keyFile";
    };
    certificate-without-key = {
      config.services.sysmonstm = {
        hub.enable = true;
        gateway.tls.certificateFile = "/etc/hub.pem";
      };
      says = "keyFile";
    };
    certificate-without-authority = {
      config.services.sysmonstm.collector = {
        enable = true;
        aggregatorUrls = [ "hub:50051" ];
        tls.certificateFile = "/etc/web1.pem";
        tls.keyFile = "/run/web1.key";
      };
      says = "tls.caFile";
    };
    authority-among-settings = {
      config.services.sysmonstm.collector = {
        enable = true;
        aggregatorUrls = [ "hub:50051" ];
        settings.tls_ca = "/etc/ca.pem";
      };
      says = "tls.caFile instead";
    };
    certificate-among-settings = {
      config.services.sysmonstm = {
        hub.enable = true;
        aggregator.settings.tls_certificate = "/etc/hub.pem";
      };
      says = "services.sysmonstm.aggregator.tls";
    };
    address-among-settings = {
      config.services.sysmonstm = {
        hub.enable = true;
        gateway.settings.listen = "0.0.0.0:8000";
      };
      says = "listenAddress";
    };
  };

  # What the types of options refuse before anything is asserted.
  mistyped = {
    path-literal = {
      services.sysmonstm.hub.enable = true;
      services.sysmonstm.alerts.webhookUrlFile = ./scenarios.nix;
    };
    secret-in-the-store = {
      services.sysmonstm.hub.enable = true;
      services.sysmonstm.database.urlFile = "/nix/store/00000000000000000000000000000000-secret";
    };
    interval-of-nothing = {
      services.sysmonstm.collector.enable = true;
      services.sysmonstm.collector.interval = 0;
    };
    name-with-a-blank = {
      services.sysmonstm.collector.enable = true;
      services.sysmonstm.collector.machineId = "web 1";
    };
    name-for-an-address = {
      services.sysmonstm.hub.enable = true;
      services.sysmonstm.gateway.listenAddress = "hub.example.org";
    };
    address-in-brackets = {
      services.sysmonstm.hub.enable = true;
      services.sysmonstm.gateway.listenAddress = "[::1]";
    };
    no-port = {
      services.sysmonstm.hub.enable = true;
      services.sysmonstm.gateway.port = 0;
    };
    no-such-option = {
      services.sysmonstm.collector.enabled = true;
    };
  };
}
