# Whole machines, one test for each behaviour.
{
  fleet = ./fleet.nix;
  alert = ./alert.nix;
  hub-away = ./hub-away.nix;
  deployment = ./deployment.nix;
  socket-activation = ./socket-activation.nix;
  watchdog = ./watchdog.nix;
}
