import { defineConfig } from "vite";
import { builtPage } from "./built-page.ts";

export default defineConfig(builtPage("analytics", "src/analytics/main.ts"));
