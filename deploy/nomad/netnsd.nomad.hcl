# One netnsd per client, in the client's own mount namespace: nomad job run netnsd.nomad.hcl
# Wants the Debian package on the clients, without its units (systemctl disable --now netnsd.socket netnsd.service), and
# `plugin "raw_exec" { config { enabled = true } }` in their configuration. Nomad's exec and docker drivers would give
# the daemon a mount namespace of its own.
job "netnsd" {
  type        = "system"
  datacenters = ["*"]

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  # The namespaces stay while the daemon is replaced.
  update {
    max_parallel     = 1
    min_healthy_time = "5s"
    auto_revert      = true
  }

  group "netnsd" {
    restart {
      attempts = 10
      interval = "5m"
      delay    = "2s"
      mode     = "delay"
    }

    task "netnsd" {
      driver       = "raw_exec"
      user         = "root"
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        command = "/usr/sbin/netnsd"
        args    = ["serve", "--listen", "127.0.0.1:8080", "--token-file", "${NOMAD_SECRETS_DIR}/tokens"]
      }

      env {
        NETNSD_LOG_FORMAT = "json"
      }

      # The lines of `netnsd token new`, which are hashes: nomad var put nomad/jobs/netnsd tokens=@FILE
      template {
        destination   = "secrets/tokens"
        perms         = "0600"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = "{{ with nomadVar \"nomad/jobs/netnsd\" }}{{ .tokens }}{{ end }}\n"
      }

      resources {
        cpu    = 100
        memory = 256
      }
    }
  }
}
