int plugin;
