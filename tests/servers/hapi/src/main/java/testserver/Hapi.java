package testserver;

import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.r4b.JpaR4BConfig;
import ca.uhn.fhir.jpa.config.r5.JpaR5Config;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.web.context.ContextLoaderListener;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;

/**
 * A HAPI FHIR JPA server on loopback. Arguments: release (r4, r4b, r5), port, base path, JDBC URL of an H2
 * database.
 */
public final class Hapi {
  private Hapi() {}

  public static void main(String[] args) throws Exception {
    var context = new AnnotationConfigWebApplicationContext();
    context.setAllowBeanDefinitionOverriding(true);
    System.setProperty("testserver.jdbc", args[3]);
    context.register(Settings.class, releaseConfig(args[0]));

    var server = new Server();
    var connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(args[1]));
    server.addConnector(connector);
    var handler = new ServletContextHandler();
    handler.setContextPath("/");
    handler.addEventListener(new ContextLoaderListener(context));
    handler.addServlet(new ServletHolder(new FhirServlet(context)), args[2] + "/*");
    server.setHandler(handler);
    server.start();
    System.out.println("HAPI ready");
    server.join();
  }

  private static Class<?> releaseConfig(String release) {
    return switch (release) {
      case "r4" -> JpaR4Config.class;
      case "r4b" -> JpaR4BConfig.class;
      case "r5" -> JpaR5Config.class;
      default -> throw new IllegalArgumentException("release is r4, r4b or r5, not " + release);
    };
  }
}
